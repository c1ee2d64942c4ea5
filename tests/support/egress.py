"""The things that an administrator lets ordinary roles do: which model servers they may name, and which keys these get."""


def settings(url: str) -> dict[str, str]:
    """Settings that allow a model server, and send it the key that OpenAI's wire usually has."""
    return {"pgai_rs.allowed_base_urls": url, "pgai_rs.api_key_names": f"OPENAI_API_KEY, OPENAI_API_KEY={url}"}


def allow(cluster, url: str) -> None:
    """Allows it on a cluster that runs."""
    for name, value in settings(url).items():
        cluster.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.reload()


def allow_objects(cluster, *prefixes: str) -> None:
    """Allows ordinary roles to have these objects loaded, on a cluster that runs."""
    cluster.sql(f"ALTER SYSTEM SET pgai_rs.allowed_uris = '{', '.join(prefixes)}'")
    cluster.reload()


def allow_nothing(cluster) -> None:
    """Takes it back."""
    for name in [*settings(""), "pgai_rs.allowed_uris"]:
        cluster.sql(f"ALTER SYSTEM RESET {name}")
    cluster.reload()
