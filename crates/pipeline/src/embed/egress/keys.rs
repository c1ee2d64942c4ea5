//! Keys, and the servers that may receive them: their provider's, and those that an administrator pairs them with.

use serde_json::Map;

use super::{EndpointDeclaration, refused};
use crate::config::Author;
use crate::embed::provider::{AWS_CREDENTIALS, bedrock_address, bedrock_region, bedrock_role_arn};
use crate::failure::Failure;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

impl EndpointDeclaration<'_> {
    /// Returns whether a server may receive the key of this name: its provider's own may, and those that it
    /// is paired with. A superuser's declaration is the administrator's word about the server's keys, and not
    /// about a key of the database, which whoever set it meant for one server.
    pub(super) fn may_receive(&self, name: &str, url: Option<&ServerUrl>, settings: &Settings) -> bool {
        if self.author == Author::Superuser && self.server_in_database().is_none() {
            return true;
        }

        let servers = self.servers_of(name, settings);
        let is_own = url.is_none_or(|url| self.provider.is_own_server(url, settings));
        let is_its_provider = self.provider.profile().api_key_name == Some(name);
        if is_own && is_its_provider && servers.contains(&None) {
            return true;
        }

        let paired: Vec<String> = servers.into_iter().flatten().map(str::to_owned).collect();
        match url {
            Some(url) => url.is_named(&paired),
            None => self.provider.default_server(settings).is_some_and(|url| url.is_named(&paired)),
        }
    }

    /// The servers that the key of this name is paired with; a pair without a URL is with the provider's own.
    /// A key of the database has the one that it was set for, whatever the administrator says of the server's
    /// key of that name.
    pub(super) fn servers_of<'b>(&'b self, name: &str, settings: &'b Settings) -> Vec<Option<&'b str>> {
        match self.server_in_database() {
            Some(server) => vec![server],
            None => listed_servers(name, settings),
        }
    }

    /// Errors unless Bedrock may be asked with the server's own AWS credentials, if no role is to be assumed:
    /// they are a key as others are, and no key of the database stands for them. A superuser's declaration is
    /// the administrator's word.
    pub(super) fn require_credentials(
        &self,
        url: Option<&ServerUrl>,
        settings: &Settings,
    ) -> Result<(), Failure> {
        let none = Map::new();
        let options = self.options.unwrap_or(&none);
        if self.author == Author::Superuser || bedrock_role_arn(options).is_some() {
            return Ok(());
        }

        let servers = listed_servers(AWS_CREDENTIALS, settings);
        let region = bedrock_region(options, settings.s3.region.as_deref());
        let home = bedrock_address(region.as_deref()).ok().and_then(|home| ServerUrl::parse(&home).ok());

        let is_home = url.is_none_or(|url| home.as_ref().is_some_and(|home| url.is_within(home)));
        let paired: Vec<String> = servers.iter().flatten().map(|url| (*url).to_owned()).collect();
        let is_paired = url.or(home.as_ref()).is_some_and(|url| url.is_named(&paired));
        if (is_home && servers.contains(&None)) || is_paired {
            return Ok(());
        }

        let message = "the server's own AWS credentials are not allowed for Amazon Bedrock".to_owned();
        Err(refused("aws_credentials_not_allowed", message).with_hint(format!(
            "A superuser can add {AWS_CREDENTIALS} to pgai_rs.api_key_names, or {AWS_CREDENTIALS}=URL for a \
             single address. No entry is needed for a role that aws_role_name in extra_options names."
        )))
    }

    /// The failure of a key that the server at `url`, or the provider's own, must not get.
    pub(super) fn not_for_server(&self, name: &str, url: Option<&str>) -> Failure {
        let server = match url {
            Some(_) => format!("this {}", self.argument),
            None => self.provider.profile().name.to_owned(),
        };
        let message = format!("API key {name} must not be sent to {server}");

        let example = url.unwrap_or("https://host").trim_end_matches('/');
        let pair = match self.server_in_database() {
            Some(_) => format!(
                "The key was set for this database and for another server. It can be set for this server by \
                 ai.set_secret() with base_url => '{example}'."
            ),
            None => {
                format!("A superuser can allow it by adding {name}={example} to pgai_rs.api_key_names.")
            }
        };

        refused("api_key_not_for_server", message)
            .with_hint(format!("{pair} For a server that needs no key, set api_key_name to NULL."))
    }
}

/// The failure of a key whose name the administrator does not list.
pub(super) fn name_not_allowed(name: &str) -> Failure {
    refused("api_key_name_not_allowed", format!("api_key_name {name:?} is not allowed on this server"))
        .with_hint(
            "A superuser can add the name to pgai_rs.api_key_names. A key of this name can be set for the \
             database by ai.set_secret().",
        )
}

/// The servers that the administrator pairs a key of this name with; a pair without a URL is with the
/// provider's own.
fn listed_servers<'a>(name: &str, settings: &'a Settings) -> Vec<Option<&'a str>> {
    let entries = settings.api_key_names.iter().map(|entry| split(entry));
    entries.filter(|(listed, _)| *listed == name).map(|(_, url)| url).collect()
}

/// Returns whether entries of `pgai_rs.api_key_names` list a key of this name, for whichever server.
pub fn is_listed(name: &str, entries: &[String]) -> bool {
    entries.iter().any(|entry| split(entry).0 == name)
}

/// An entry of `pgai_rs.api_key_names`: a name, and the server that it is paired with if one is named.
fn split(entry: &str) -> (&str, Option<&str>) {
    match entry.split_once('=') {
        Some((name, url)) => (name.trim(), Some(url.trim())),
        None => (entry.trim(), None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{code, code_with, openai, settings};
    use crate::config::Author;
    use crate::embed::egress::EndpointDeclaration;
    use crate::embed::litellm::split;
    use crate::secret::{ApiKey, Secret};
    use crate::settings::Settings;

    fn litellm(model: &str, key: Option<&str>, options: Value) -> Value {
        json!({"implementation": "litellm", "model": model, "dimensions": 3, "api_key_name": key,
               "extra_options": options})
    }

    const KEY: Option<&str> = Some("OPENAI_API_KEY");
    const NOT_FOR: Option<&str> = Some("api_key_not_for_server");

    #[test]
    fn a_key_goes_to_its_own_provider_alone() {
        let ours =
            settings(&["OPENAI_API_KEY", "VOYAGE_API_KEY", "TEAM_KEY"], &["http://models", "http://h"]);
        let openai_code = |key, url| code(openai(key, url), Author::Other, &ours);
        assert_eq!(openai_code(KEY, None), None);
        assert_eq!(openai_code(KEY, Some("https://api.openai.com/v1")), None);
        assert_eq!(openai_code(KEY, Some("http://models/v1")), NOT_FOR);
        assert_eq!(openai_code(Some("VOYAGE_API_KEY"), None), NOT_FOR);
        assert_eq!(openai_code(Some("TEAM_KEY"), None), NOT_FOR);
        assert_eq!(openai_code(None, Some("http://models/v1")), None);
        // In plain text it would be everybody's.
        assert_eq!(openai_code(KEY, Some("http://api.openai.com/v1")), Some("base_url_not_allowed"));
        assert_eq!(openai_code(KEY, Some("https://api.openai.com:8443/v1")), Some("base_url_not_allowed"));
    }

    #[test]
    fn an_administrator_pairs_a_key_with_other_servers() {
        let pairs =
            ["OPENAI_API_KEY = http://models/v1", "TEAM_KEY=https://api.openai.com", "OTHER=https://"];
        let ours = settings(&pairs, &["http://models", "https://"]);
        let openai_code = |key, url| code(openai(key, url), Author::Other, &ours);
        assert_eq!(openai_code(KEY, Some("http://models/v1")), None);
        assert_eq!(openai_code(KEY, Some("http://models/v2")), NOT_FOR);
        assert_eq!(openai_code(Some("TEAM_KEY"), None), None);
        // Without an entry of its own, not even the provider gets it.
        assert_eq!(openai_code(KEY, None), NOT_FOR);
        // A scheme names no server.
        assert_eq!(openai_code(Some("OTHER"), Some("https://evil.example/v1")), NOT_FOR);
        assert_eq!(openai_code(Some("NO_SUCH"), None), Some("api_key_name_not_allowed"));
    }

    #[test]
    fn a_key_of_the_database_goes_to_the_server_that_it_was_set_for() {
        let pairs = ["OPENAI_API_KEY", "OPENAI_API_KEY=http://models"];
        let ours = settings(&pairs, &["http://models", "http://theirs"]);
        let set_for =
            |server: Option<&str>| ApiKey::of_database(Secret::new("sk-1"), server.map(str::to_owned));
        let code = |key: &ApiKey, name, url| code_with(openai(name, url), Author::Other, Some(key), &ours);

        let home = set_for(None);
        assert_eq!(code(&home, KEY, None), None);
        assert_eq!(code(&home, KEY, Some("https://api.openai.com/v1")), None);
        // The pair in the settings is for the server's key of that name.
        assert_eq!(code(&home, KEY, Some("http://models/v1")), NOT_FOR);
        assert_eq!(code(&home, Some("VOYAGE_API_KEY"), None), NOT_FOR);

        let theirs = set_for(Some("http://theirs/v1"));
        assert_eq!(code(&theirs, KEY, Some("http://theirs/v1")), None);
        assert_eq!(code(&theirs, KEY, Some("http://theirs/v2")), NOT_FOR);
        assert_eq!(code(&theirs, KEY, Some("http://models/v1")), NOT_FOR);
        assert_eq!(code(&theirs, KEY, None), NOT_FOR);
        // Its name is known by being there; the server's key of the same name goes nowhere for that.
        assert_eq!(code(&theirs, Some("TEAM_KEY"), Some("http://theirs/v1")), None);
        assert_eq!(code_with(openai(KEY, Some("http://theirs/v1")), Author::Other, None, &ours), NOT_FOR);

        // A superuser's declaration is bound by it as well.
        let superusers = |key, url| code_with(openai(KEY, url), Author::Superuser, Some(key), &ours);
        assert_eq!(superusers(&theirs, Some("http://theirs/v1")), None);
        assert_eq!(superusers(&theirs, Some("http://elsewhere")), NOT_FOR);
        assert_eq!(superusers(&theirs, None), NOT_FOR);
        assert_eq!(superusers(&home, None), None);
        assert_eq!(superusers(&home, Some("http://elsewhere")), NOT_FOR);

        // To have a key for a server is not to be allowed to ask it.
        let inside = set_for(Some("http://169.254.169.254"));
        assert_eq!(code(&inside, KEY, Some("http://169.254.169.254/latest")), Some("base_url_not_allowed"));
    }

    #[test]
    fn the_administrators_default_server_gets_the_usual_key() {
        let ours =
            Settings { openai_base_url: "http://gate/v1".into(), ..settings(&["OPENAI_API_KEY"], &[]) };
        assert_eq!(code(openai(KEY, None), Author::Other, &ours), None);
        assert_eq!(code(openai(KEY, Some("http://gate/v1")), Author::Other, &ours), None);
        assert_eq!(
            code(openai(KEY, Some("http://gate/v2")), Author::Other, &ours),
            Some("base_url_not_allowed")
        );
    }

    #[test]
    fn a_superusers_declaration_is_the_administrators_word() {
        let ours = settings(&["OPENAI_API_KEY"], &[]);
        assert_eq!(code(openai(KEY, Some("http://models/v1")), Author::Superuser, &ours), None);
        let unlisted = openai(Some("NO_SUCH"), None);
        assert_eq!(code(unlisted, Author::Superuser, &ours), Some("api_key_name_not_allowed"));
    }

    #[test]
    fn a_key_that_nobody_named_stays_at_home() {
        let ours = settings(&["COHERE_API_KEY", "AZURE_API_KEY"], &["http://h"]);
        let permitted = |model: &str, options: Value| {
            let embedding = serde_json::from_value(litellm(model, None, options.clone())).unwrap();
            let (provider, _) = split(model).unwrap();
            let base_url = options.get("api_base").and_then(Value::as_str);
            let declaration =
                EndpointDeclaration::of_embedding(&embedding, provider, base_url, Author::Other, None);
            declaration.permit(&ours).unwrap().with_key
        };
        assert!(permitted("cohere/embed-v4.0", json!({})));
        assert!(permitted("cohere/embed-v4.0", json!({"api_base": "https://api.cohere.com"})));
        assert!(!permitted("cohere/embed-v4.0", json!({"api_base": "http://h"})));
        assert!(!permitted("azure/d", json!({"api_base": "http://h"})));
    }

    #[test]
    fn the_servers_own_aws_credentials_are_the_administrators_to_lend() {
        let bedrock = |options: Value, author, names: &[&str]| {
            let config = json!({"implementation": "litellm", "model": "bedrock/amazon.titan-embed-text-v2:0",
                                "dimensions": 256, "api_key_name": options.get("key"),
                                "extra_options": options["options"]});
            let key = ApiKey::of_database(Secret::new("sk-1"), None);
            let key = options.get("key").map(|_| &key);
            code_with(config, author, key, &settings(names, &["https://"]))
        };
        let europe = || json!({"options": {"aws_region_name": "eu-west-1"}});
        let closed = Some("aws_credentials_not_allowed");
        let at_home = "AWS_ACCESS_KEY_ID=https://bedrock-runtime.eu-west-1.amazonaws.com";
        assert_eq!(bedrock(europe(), Author::Other, &["OPENAI_API_KEY"]), closed);
        assert_eq!(bedrock(europe(), Author::Superuser, &[]), None);
        assert_eq!(bedrock(europe(), Author::Other, &["AWS_ACCESS_KEY_ID"]), None);
        assert_eq!(bedrock(europe(), Author::Other, &[at_home]), None);
        assert_eq!(bedrock(europe(), Author::Other, &["AWS_ACCESS_KEY_ID=https://"]), closed);

        let america = json!({"options": {"aws_region_name": "us-east-1"}});
        assert_eq!(bedrock(america, Author::Other, &[at_home]), closed);
        let in_role =
            json!({"options": {"aws_region_name": "eu-west-1", "aws_role_name": "arn:aws:iam::1:role/r"}});
        assert_eq!(bedrock(in_role, Author::Other, &[]), None);

        // Another server is no home, and a key of the database no AWS credentials.
        let elsewhere = || json!({"options": {"aws_region_name": "eu-west-1", "api_base": "https://models"}});
        assert_eq!(bedrock(elsewhere(), Author::Other, &["AWS_ACCESS_KEY_ID"]), closed);
        assert_eq!(bedrock(elsewhere(), Author::Other, &["AWS_ACCESS_KEY_ID=https://models"]), None);
        let with_key = json!({"key": "AWS_ACCESS_KEY_ID", "options": {"aws_region_name": "eu-west-1"}});
        assert_eq!(bedrock(with_key, Author::Other, &[]), closed);
    }
}
