//! Reading e-mails: what a user relies on.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write as _};

use pgai_rs_parser::{ParseError, ParsedDocument, Source, parse};

fn read(text: &[u8]) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes: text, name: Some("letter.eml"), content_type: None })
}

fn markdown(text: &str) -> String {
    read(text.as_bytes()).unwrap().text
}

#[test]
fn headers_come_as_a_short_list_under_the_subject() {
    let mail = "From: Ann <ann@a.b>\r\nTo: bob@a.b, \"Cat C.\" <cat@a.b>\r\nX-Spam: no\r\nDate: Tue, 13 Feb 2024 20:01:02 +0100\r\n\
                Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello,\r\n\r\n> quoted\r\n> more\r\n\r\nBye\r\n";
    let parsed = read(mail.as_bytes()).unwrap();
    assert_eq!(
        parsed.text,
        "# Grüße\n\n- From: Ann (ann@a.b)\n- To: bob@a.b, Cat C. (cat@a.b)\n- Date: 2024-02-13T20:01:02+01:00\n\n\
         Hello,\n\n> quoted\n> more\n\nBye"
    );
    assert_eq!(parsed.metadata.title.as_deref(), Some("Grüße"));
    assert_eq!(parsed.metadata.author.as_deref(), Some("Ann (ann@a.b)"));
    assert_eq!(parsed.metadata.created.as_deref(), Some("2024-02-13T20:01:02+01:00"));
}

/// Returns an e-mail with a text in two forms.
fn in_two_forms(plain: &str, html: &str) -> String {
    format!(
        "Subject: S\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{plain}\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--\r\n"
    )
}

#[test]
fn links_by_the_million_that_do_not_end_take_no_longer_than_as_many_bytes() {
    assert_eq!(markdown(&in_two_forms("Text", &"](".repeat(2_000_000))), "# S\n\nText");
}

#[test]
fn text_without_markup_is_preferred_unless_it_stands_in_for_the_other() {
    let long = "<h1>News</h1><p>All of the letter stands only here, and not in the other part.";
    assert_eq!(markdown(&in_two_forms("Hello there", "<p>Hello <b>there</b>")), "# S\n\nHello there");
    assert_eq!(
        markdown(&in_two_forms("Use a browser.", long)),
        "# S\n\n## News\n\nAll of the letter stands only here, and not in the other part."
    );
    assert_eq!(markdown(&in_two_forms("", "<p>Only here")), "# S\n\nOnly here");
}

#[test]
fn attachments_that_can_be_read_are_and_others_are_named() {
    let mail = "Subject: S\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBody\r\n\
                --b\r\nContent-Type: text/html; name=page.html\r\nContent-Disposition: attachment; filename=page.html\r\n\
                Content-Transfer-Encoding: base64\r\n\r\nPGgxPlRpdGxlPC9oMT48cD5UZXh0\r\n\
                --b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAA=\r\n--b--\r\n";
    assert_eq!(
        markdown(mail),
        "# S\n\nBody\n\n## Attachment: page.html\n\n### Title\n\nText\n\nAttachments:\n\n- a.png"
    );
}

#[test]
fn an_attached_e_mail_is_read_with_its_own_attachments() {
    let inner = "Subject: Inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nInner body\r\n\
                 --c\r\nContent-Type: text/html; name=p.html\r\nContent-Disposition: attachment\r\n\r\n<p>Page\r\n--c--\r\n";
    let mail = format!(
        "Subject: Outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nOuter body\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    );
    assert_eq!(
        markdown(&mail),
        "# Outer\n\nOuter body\n\n## Attachment: Inner\n\nInner body\n\n### Attachment: p.html\n\nPage"
    );
}

#[test]
fn a_text_without_or_with_a_wrong_encoding_is_guessed_at() {
    let none = b"Subject: S\r\n\r\nViele Gr\xfc\xdfe aus K\xf6ln\r\n";
    assert_eq!(read(none).unwrap().text, "# S\n\nViele Grüße aus Köln");
    let wrong = b"Subject: S\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                  Viele Gr=FC=DFe aus K=F6ln\r\n";
    assert_eq!(read(wrong).unwrap().text, "# S\n\nViele Grüße aus Köln");
}

#[test]
fn files_within_the_text_are_attachments() {
    let mail = "Subject: S\r\n\r\nSee below.\r\n\r\nbegin 644 page.html\r\n+/'`^0V%T<SPO<#X`\r\n`\r\nend\r\n\r\nbegin 644 a.png\r\n)B5!.1PT*&@H`\r\n`\r\nend\r\n\
                (This file must be converted with BinHex 4.0)\r\n:$f*TEQKPH#jdH\r\nA5h0S:\r\nBye\r\n";
    assert_eq!(
        markdown(mail),
        "# S\n\nSee below.\n\n\n\nBye\n\n## Attachment: page.html\n\nCats\n\nAttachments:\n\n- a.png\n- a BinHex file"
    );

    let part = "Subject: S\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBody\r\n--b\r\n";
    let attached = "Content-Type: text/html; name=page.html\r\nContent-Disposition: attachment\r\n\
                    Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n+/'`^0V%T<SPO<#X`\r\n`\r\nend\r\n--b--\r\n";
    assert_eq!(markdown(&format!("{part}{attached}")), "# S\n\nBody\n\n## Attachment: page.html\n\nCats");
    let binhex = "Content-Type: application/mac-binhex40; name=old.hqx\r\n\r\n\
                  (This file must be converted with BinHex 4.0)\r\n\r\n:$f*TEQKPH#jdHA5h0S:\r\n--b--\r\n";
    assert_eq!(markdown(&format!("{part}{binhex}")), "# S\n\nBody\n\nAttachments:\n\n- old.hqx");
}

#[test]
fn a_piece_of_an_e_mail_is_told_as_one() {
    let piece = "Content-Type: message/partial; id=\"a@b\"; number=2; total=3\r\n\r\nQWJj\r\n";
    let refused = read(format!("From: a@b.c\r\nSubject: S\r\n{piece}").as_bytes());
    assert_eq!(refused, Err(ParseError::UnsupportedType("part 2 of 3 of an e-mail".to_owned())));
    let mail = format!(
        "Subject: S\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBody\r\n--b\r\n{piece}--b--\r\n"
    );
    assert_eq!(markdown(&mail), "# S\n\nBody\n\nAttachments:\n\n- part 2 of 3 of an e-mail");
}

#[test]
fn an_encrypted_e_mail_says_so() {
    let mail = "From: a@b.c\r\nSubject: S\r\nContent-Type: multipart/encrypted; boundary=b; protocol=\"application/pgp-encrypted\"\r\n\r\n\
                --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\
                --b\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n--b--\r\n";
    assert_eq!(read(mail.as_bytes()), Err(ParseError::Encrypted("an e-mail")));
}

#[test]
fn what_is_no_e_mail_is_an_error() {
    assert!(matches!(read(b"\0\x01\x02garbage"), Err(ParseError::Damaged { .. })));
    assert_eq!(read(b"From: a@b.c\r\n\r\n"), Err(ParseError::Empty("an e-mail")));
}

#[test]
fn e_mails_in_e_mails_are_bounded() {
    let mail =
        "Subject: S\r\nContent-Type: message/rfc822\r\n\r\n".repeat(20_000) + "Subject: last\r\n\r\nText\r\n";
    assert!(markdown(&mail).len() < 2000);
}

#[test]
fn parts_that_are_looked_for_in_vain_are_bounded() {
    let part = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n";
    let mail = format!("Subject: S\r\n{}", part.repeat(50_000));
    assert!(matches!(read(mail.as_bytes()), Err(ParseError::TooComplex { .. })));
}

#[test]
fn attachments_that_are_many_are_named_only() {
    let part =
        "--b\r\nContent-Type: text/html; name=a.html\r\nContent-Disposition: attachment\r\n\r\n<p>Page\r\n";
    let mail =
        format!("Subject: S\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--", part.repeat(300));
    let text = markdown(&mail);
    assert_eq!(text.matches("\n\nPage").count(), 200);
    assert_eq!(text.matches("\n- a.html").count(), 100);
}

type Msg = cfb::CompoundFile<Cursor<Vec<u8>>>;

/// Writes properties of an e-mail of Outlook's into this storage: texts by their ids, and numbers by their tags.
fn write_msg(file: &mut Msg, at: &str, head: usize, texts: &[(u16, &str)], numbers: &[(u32, u64)]) {
    for (id, text) in texts {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        file.create_stream(format!("{at}/__substg1.0_{id:04X}001F")).unwrap().write_all(&units).unwrap();
    }
    let mut properties = vec![0; head];
    for (tag, value) in numbers {
        properties.extend(tag.to_le_bytes());
        properties.extend([0; 4]);
        properties.extend(value.to_le_bytes());
    }
    file.create_stream(format!("{at}/__properties_version1.0")).unwrap().write_all(&properties).unwrap();
}

/// Returns an e-mail of Outlook's with a file and another e-mail attached to it.
fn outlook() -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    let texts =
        [(0x0037, "Subject"), (0x0c1a, "Ann"), (0x5d01, "ann@a.b"), (0x1000, "Body\r\n# no heading\r\n")];
    // 2018-10-29T18:12:29Z in ticks since 1601.
    write_msg(&mut file, "", 32, &texts, &[(0x0039_0040, 131_853_103_490_000_000)]);

    for (number, kind, name) in [(0, 1, "bob@a.b"), (1, 2, "Cat")] {
        let at = format!("/__recip_version1.0_#{number:08X}");
        file.create_storage(&at).unwrap();
        write_msg(&mut file, &at, 8, &[(0x3001, name)], &[(0x0c15_0003, kind)]);
    }

    let at = "/__attach_version1.0_#00000000";
    file.create_storage(at).unwrap();
    write_msg(&mut file, at, 8, &[(0x3707, "page.html")], &[]);
    file.create_stream(format!("{at}/__substg1.0_37010102")).unwrap().write_all(b"<p>Page").unwrap();

    let at = "/__attach_version1.0_#00000001";
    file.create_storage(at).unwrap();
    write_msg(&mut file, at, 8, &[], &[]);
    let inner = format!("{at}/__substg1.0_3701000D");
    file.create_storage(&inner).unwrap();
    write_msg(&mut file, &inner, 24, &[(0x0037, "Inner")], &[]);
    let html = b"<meta charset=windows-1252><p>Viele Gr\xfc\xdfe";
    file.create_stream(format!("{inner}/__substg1.0_10130102")).unwrap().write_all(html).unwrap();
    file.into_inner().into_inner()
}

#[test]
fn an_e_mail_of_outlook_is_read_like_any_other() {
    let bytes = outlook();
    let parsed = parse(&Source { bytes: &bytes, name: Some("letter.msg"), content_type: None }).unwrap();
    assert_eq!(
        parsed.text,
        "# Subject\n\n- From: Ann (ann@a.b)\n- To: bob@a.b\n- Cc: Cat\n- Date: 2018-10-29T18:12:29Z\n\nBody\n\\# no heading\n\n\
         ## Attachment: page.html\n\nPage\n\n## Attachment: Inner\n\nViele Grüße"
    );
    assert_eq!(parsed.metadata.title.as_deref(), Some("Subject"));
    assert_eq!(parsed.metadata.created.as_deref(), Some("2018-10-29T18:12:29Z"));
}

#[test]
fn an_e_mail_of_outlook_is_one_whatever_its_name() {
    let bytes = outlook();
    let source = Source { bytes: &bytes, name: Some("letter.eml"), content_type: Some("message/rfc822") };
    assert!(parse(&source).unwrap().text.starts_with("# Subject\n"));
}
