//! What is around the site goes away, and comes back.

use time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Act, PASSWORD, Site, Stage, until};

#[tokio::test]
async fn without_its_database_the_site_says_so_and_is_well_when_it_returns() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = site.visitor().open("/login").await.form("/login");
    let form = form.fill("email", "ann@example.com").fill("password", PASSWORD);
    site.wire.cut();

    assert_eq!(ann.get("/readyz").await.is(503).body, "the database does not answer\n");
    ann.get("/healthz").await.is(200);
    let mut bob = site.visitor();
    bob.open("/help").await.is(200);
    for page in [ann.get("/profile").await, bob.get("/register").await, bob.submit(form.clone()).await] {
        page.is(503).says("The site is not able to answer just now");
        assert!(!page.header("retry-after").is_empty());
        assert!(page.has("main a[href='/']") && page.has("main code"));
        page.does_not_say("127.0.0.1");
    }

    site.wire.mend();
    until("the site to be ready", async || (ann.get("/readyz").await.status == 200).then_some(())).await;
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    assert_eq!(bob.send(form).await.path(), "/profile");
    bob.register("bob@example.com", PASSWORD).await;
    site.sink.letter_to("bob@example.com").await;
}

#[tokio::test]
async fn without_its_mail_service_people_register_and_are_told_that_the_letter_is_delayed() {
    // Port 1 is nobody's: connections are refused at once.
    let mut site = Site::with(&[("SMTP_URL", "smtp://127.0.0.1:1")]).await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    ann.open("/register/letter").await.says("Delayed The reason: “");
    let url = site.sink.url();
    site.restart_with(&[("SMTP_URL", &url)]).await;
    ann.go_to_instance(site.address());
    site.let_pass(Duration::minutes(5)).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn a_mail_service_that_hangs_holds_up_no_page() {
    let site = Site::start().await;
    site.sink.always(Stage::Greeting, Act::Hang);
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        site.visitor().register(email, PASSWORD).await;
    }
    site.sink.drop_connections();
    site.sink.behave();
}

#[tokio::test]
async fn a_stop_finishes_the_request_in_hand() {
    let mut site = Site::start().await;
    site.user("ann@example.com").await;
    let mut ann = TcpStream::connect(site.address()).await.expect("a connection");
    let body = "email=ann%40example.com&password=green+Elephant+7";
    let head = format!(
        "POST /login HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\nexpect: 100-continue\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    ann.write_all(head.as_bytes()).await.expect("a connection");
    // The server asks for the body: the request is in hand.
    let mut answer = [0; 25];
    ann.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");

    let address = site.address();
    let stopping = site.stop();
    let finishing = async {
        until("the door to be shut", async || TcpStream::connect(address).await.is_err().then_some(())).await;
        ann.write_all(body.as_bytes()).await.expect("a connection");
        let mut answer = String::new();
        ann.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    let ((), answer) = tokio::join!(stopping, finishing);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(answer.contains("location: /profile"), "{answer}");
}
