-- How often a captcha was drawn and heard: nobody needs to look at one or to listen to it without end.
alter table captchas
    add column drawings smallint not null default 0,
    add column hearings smallint not null default 0;
