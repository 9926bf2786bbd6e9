//! Letters by way of a real mail server: postfix.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    postfix::Postfix,
    support::{Act, PASSWORD, Program, ScratchFolder, Sink, Stage, TestDatabase, Visitor, until},
};

/// The program, served, with postfix for its mail service, and a mail server behind that.
struct System {
    folder: ScratchFolder,
    database: TestDatabase,
    postfix: Postfix,
    next_hop: Sink,
}

impl System {
    async fn new() -> Self {
        let next_hop = Sink::start().await;
        let address = next_hop.url().replace("smtp://127.0.0.1", "[127.0.0.1]");
        let postfix = Postfix::start(&address).await;
        Self { folder: ScratchFolder::new(), database: TestDatabase::new().await, postfix, next_hop }
    }

    /// Serves the site, with some more settings.
    async fn serve(&self, smtp_url: &str, settings: &[(&str, &str)]) -> Program {
        let (database_url, certificate) = (self.database.url(), self.postfix.certificate());
        let mut all = vec![
            ("DATABASE_URL", database_url.as_str()),
            ("SMTP_URL", smtp_url),
            ("SSL_CERT_FILE", certificate.to_str().expect("a path")),
            ("MAIL_FROM", "Vestibule <no-reply@vestibule.example>"),
            ("MAIL_RETRY_FIRST_SECONDS", "1"),
            ("CAPTCHA", "off"),
            ("EMAIL_MAX", "254"),
        ];
        all.extend(settings);
        Program::serve(self.folder.path(), &all).await
    }
}

/// Waits until the waiting page says this.
async fn says(visitor: &mut Visitor, words: &str) {
    until(words, async || visitor.open("/register/letter").await.words().contains(words).then_some(())).await;
}

/// Follows the link in a letter that postfix has delivered.
async fn confirm(visitor: &mut Visitor, letter: &Path) {
    let raw = fs::read(letter).expect("the letter");
    let message = mail_parser::MessageParser::default().parse(&raw).expect("a message");
    let text = message.body_text(0).expect("its text").into_owned();
    let link = text.split_whitespace().find(|word| word.starts_with("http")).expect("a link");
    assert_eq!(visitor.confirm(link).await.path(), "/profile");
}

#[tokio::test]
async fn letters_go_over_starttls_and_over_tls_from_the_first_byte_by_who_has_logged_in() {
    let system = System::new().await;
    let postfix = &system.postfix;
    for (url, address) in [(postfix.starttls_url(), "ann"), (postfix.wrapped_url(), "bob")] {
        let program = system.serve(&url, &[]).await;
        let mut visitor = program.visitor();
        visitor.register(&format!("{address}@example.com"), PASSWORD).await;
        let letter = postfix.letter_to(address).await;
        says(&mut visitor, "to our mail service").await;
        confirm(&mut visitor, &letter).await;
    }
    let logged_in =
        postfix.log().matches("sasl_method=PLAIN, sasl_username=letters@mx.vestibule.example").count();
    assert!(logged_in >= 2, "{}", postfix.log());
}

#[tokio::test]
async fn vestibule_check_shakes_hands_over_tls_logs_in_and_sends_a_letter() {
    let system = System::new().await;
    let (postfix, certificate) = (&system.postfix, system.postfix.certificate());
    let certificate = certificate.to_str().expect("a path");
    let check = async |url: &str, certificate: &str| {
        let settings = [
            ("SMTP_URL", url),
            ("SSL_CERT_FILE", certificate),
            ("MAIL_FROM", "Vestibule <no-reply@vestibule.example>"),
            ("PUBLIC_URL", "http://localhost:1"),
        ];
        let arguments = ["check", "--mail-to", "ann@example.com"];
        String::from_utf8(Program::run_beside(&arguments, &settings).await.stdout).expect("UTF-8")
    };
    for url in [postfix.starttls_url(), postfix.wrapped_url()] {
        let text = check(&url, certificate).await;
        assert!(text.contains("answers over TLS and lets us in"), "{text}");
        assert!(text.contains("good  letter    handed over: 250 2.0.0 Ok"), "{text}");
        postfix.letter_to("ann").await;
    }
    let wrong = postfix.starttls_url().replacen("%40d@", "@", 1);
    for (url, certificate) in [(wrong, certificate), (postfix.wrapped_url(), "/dev/null")] {
        let text = check(&url, certificate).await;
        assert!(text.contains("bad   mail") && text.contains("bad   letter"), "{text}");
        assert!(!text.contains("answers over TLS"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_certificate_that_nobody_vouches_for_hand_no_letter_over() {
    let system = System::new().await;
    let postfix = &system.postfix;
    let wrong = postfix.starttls_url().replacen("%40d@", "@", 1);
    assert_ne!(wrong, postfix.starttls_url());
    let program = system.serve(&wrong, &[]).await;
    let mut visitor = program.visitor();
    visitor.register("ann@example.com", PASSWORD).await;
    says(&mut visitor, "our mail service did not let us in").await;
    drop(program);

    let unknown = ("SSL_CERT_FILE", "/dev/null");
    for url in [postfix.starttls_url(), postfix.wrapped_url()] {
        let other_name = url.replace("@localhost:", "@127.0.0.1:");
        assert_ne!(other_name, url);
        for (url, settings) in [(url, &[unknown][..]), (other_name, &[])] {
            let program = system.serve(&url, settings).await;
            let mut visitor = program.visitor();
            visitor.register("bob@example.com", PASSWORD).await;
            says(&mut visitor, "The reason: “our mail service ").await;
        }
    }
    assert!(!postfix.log().contains("status=sent"), "{}", postfix.log());
}

#[tokio::test]
async fn who_has_not_logged_in_hands_no_letter_over() {
    let system = System::new().await;
    let url = system.postfix.starttls_url();
    let (_, host) = url.split_once('@').expect("who logs in");
    let program = system.serve(&format!("smtp://{host}"), &[]).await;
    let mut visitor = program.visitor();
    visitor.register("ann@example.com", PASSWORD).await;
    says(&mut visitor, "Client host rejected: Access denied").await;
    assert!(!system.postfix.log().contains("status=sent"), "{}", system.postfix.log());
}

#[tokio::test]
async fn a_recipient_whom_the_mail_service_does_not_know_is_refused_in_its_words() {
    let system = System::new().await;
    let program = system.serve(&system.postfix.starttls_url(), &[]).await;
    let mut visitor = program.visitor();
    visitor.register("nobody@example.com", PASSWORD).await;
    says(&mut visitor, "<nobody@example.com>: Recipient address rejected: User unknown").await;
    says(&mut visitor, "This letter does not arrive.").await;
}

#[tokio::test]
async fn a_letter_that_is_greylisted_is_delayed_and_leaves_with_the_next_try() {
    let system = System::new().await;
    let settings = [("MAIL_RETRY_FIRST_SECONDS", "3")];
    let program = system.serve(&system.postfix.starttls_url(), &settings).await;
    let mut visitor = program.visitor();
    visitor.register("grey@example.com", PASSWORD).await;
    says(&mut visitor, "greylisted, come back later").await;
    let letter = system.postfix.letter_to("grey").await;
    says(&mut visitor, "to our mail service").await;
    confirm(&mut visitor, &letter).await;
}

#[tokio::test]
async fn a_report_of_postfixs_makes_the_letter_refused_by_the_readmes_service() {
    let system = System::new().await;
    system.postfix.install(&system.database.url());
    system.next_hop.always(Stage::Rcpt, Act::Say("550 5.1.1 no such user here"));
    let settings = [("MAIL_RETURN_PATH", "bounce@vestibule.example")];
    let program = system.serve(&system.postfix.starttls_url(), &settings).await;
    let mut visitor = program.visitor();
    visitor.register("gone@elsewhere.example", PASSWORD).await;
    says(&mut visitor, "550 5.1.1 no such user here").await;
    says(&mut visitor, "This letter does not arrive.").await;
    system.postfix.logs("relay=vestibule-bounces, ").await;
}

/// What another implementation (dkimpy) says of a message's signature, with this public key in place of DNS.
fn is_valid(message: &Path, key_type: &str, public_key: &str) -> bool {
    const VERIFY: &str = "
import sys, dkim
message, record = open(sys.argv[1], 'rb').read(), sys.argv[2].encode()
names = []
def dns(name, timeout=5):
    names.append(name)
    return record
valid = dkim.verify(message, dnsfunc=dns)
assert [name.rstrip(b'.') for name in names] == [b'v1._domainkey.vestibule.example'], names
print('valid' if valid else 'invalid')
";
    let record = format!("v=DKIM1; k={key_type}; p={public_key}");
    let verified = Command::new("/usr/bin/python3").arg("-c").arg(VERIFY).arg(message).arg(record).output();
    let verified = verified.expect("python3: apt install python3-dkim");
    let words = String::from_utf8_lossy(&verified.stdout).trim().to_owned();
    assert!(
        verified.status.success(),
        "apt install python3-dkim? {}",
        String::from_utf8_lossy(&verified.stderr)
    );
    words == "valid"
}

/// Makes a key, its private half in a file as the README says; returns the file and the public half.
fn key(folder: &Path, key_type: &str) -> (PathBuf, String) {
    let script = match key_type {
        // The README's own commands.
        "rsa" => {
            "openssl genrsa -traditional -out rsa.pem 2048 2>/dev/null
             openssl rsa -in rsa.pem -pubout -outform der 2>/dev/null | base64 -w0"
        }
        // The last 32 bytes of either form are the key (RFC 8410, section 7).
        _ => {
            "openssl genpkey -algorithm ed25519 -outform der -out key.der
             tail -c 32 key.der | base64 -w0 >ed25519.pem
             openssl pkey -inform der -in key.der -pubout -outform der | tail -c 32 | base64 -w0"
        }
    };
    let made = Command::new("sh").args(["-ec", script]).current_dir(folder).output();
    let made = made.expect("openssl: apt install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (folder.join(format!("{key_type}.pem")), String::from_utf8(made.stdout).expect("base64"))
}

#[tokio::test]
async fn another_implementation_finds_the_signatures_of_what_postfix_delivered_valid() {
    let system = System::new().await;
    for key_type in ["rsa", "ed25519"] {
        let (file, public_key) = key(system.folder.path(), key_type);
        let signed = [
            ("DKIM_DOMAIN", "vestibule.example"),
            ("DKIM_SELECTOR", "v1"),
            ("DKIM_KEY_FILE", file.to_str().expect("a path")),
        ];
        let program = system.serve(&system.postfix.starttls_url(), &signed).await;
        program.visitor().register(&format!("{key_type}@example.com"), PASSWORD).await;
        let letter = system.postfix.letter_to(key_type).await;
        assert!(is_valid(&letter, key_type, &public_key), "{key_type}");

        let raw = fs::read_to_string(&letter).expect("the letter");
        for (what, with) in [("/confirm?token", "/evil?token"), ("\nSubject: ", "\nSubject: Re: ")] {
            let changed = raw.replace(what, with);
            assert_ne!(changed, raw, "{what}");
            let file = system.folder.path().join("changed");
            fs::write(&file, changed).expect("a file");
            assert!(!is_valid(&file, key_type, &public_key), "{key_type}: {with}");
        }
    }
}
