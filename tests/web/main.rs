//! The site as people meet it: a real server, a real database for each test, a mail service that
//! can misbehave, visitors who send the forms that the pages show, and, for what only a browser
//! can show, a browser.

mod support;

mod activity;
mod bad_input;
mod bounces;
mod captcha;
mod check;
mod commands;
mod confirmation;
mod corrections;
mod deletion;
mod details;
mod dev_mailbox;
mod email;
mod email_confirmation;
mod export;
mod forward_auth;
mod generated_password;
mod generated_requests;
mod guessing;
mod help;
mod housekeeping;
mod in_browser;
mod invitations;
mod kit;
mod letters;
mod linking;
mod login;
mod notices;
mod outages;
mod pairing;
mod password;
mod profile;
mod races;
mod recovery;
mod region_box;
mod regions;
mod registration;
mod resend;
mod secrets;
mod serve;
mod sessions;
mod slow_clients;
mod support_requests;
mod undo;
mod waiting;
