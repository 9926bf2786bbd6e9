-- Who can log in, what they hold, and who is on the way to it.
-- Times are parameters of the statements that write them (the program has one clock); no column
-- has a default that asks the database's.

create type account_type as enum ('customer', 'artist');

create table users (
    id uuid primary key,
    email text not null,               -- as its owner typed it: what letters go to
    email_key text not null,           -- what addresses are compared by
    password_hash text not null,       -- PHC string
    created_at timestamptz not null,
    locked_at timestamptz,             -- by operators
    constraint users_email_key unique (email_key)
);

create table accounts (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    account_type account_type not null,
    region_id text not null,
    phone text,
    display_name text,
    created_at timestamptz not null,
    constraint accounts_one_of_each_type unique (user_id, account_type)
);

-- A browser, known by its cookie.
create table devices (
    id uuid primary key,
    token_hash bytea not null,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    constraint devices_token_hash unique (token_hash)
);
create index devices_last_seen on devices (last_seen_at);

-- Which users have logged in on which device.
create table known_devices (
    user_id uuid not null references users on delete cascade,
    device_id uuid not null references devices on delete cascade,
    since timestamptz not null,
    primary key (user_id, device_id)
);
create index known_devices_device on known_devices (device_id);

create table sessions (
    id_hash bytea primary key,
    user_id uuid not null references users on delete cascade,
    account_id uuid not null references accounts on delete cascade,
    remember boolean not null,
    logged_in_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    client_address inet not null,
    user_agent text not null
);
create index sessions_user on sessions (user_id);
create index sessions_account on sessions (account_id);
create index sessions_expires on sessions (expires_at);

-- A filled-in form whose letter is not answered yet: no user, and it reserves nothing.
create table registrations (
    id uuid primary key,
    email text not null,
    password_hash text not null,
    region_id text not null,
    account_type account_type not null,
    device_id uuid not null references devices,
    created_at timestamptz not null,
    confirmed_at timestamptz,
    user_id uuid references users on delete cascade,       -- whom it became; it goes with them, or
    account_id uuid references accounts on delete cascade, -- its link would come back to life
    constraint registrations_confirmed_as_a_whole check (num_nulls(confirmed_at, user_id, account_id) in (0, 3))
);
create index registrations_device on registrations (device_id, created_at);
create index registrations_age on registrations (created_at);
create index registrations_user on registrations (user_id);
create index registrations_account on registrations (account_id);

-- Each letter's own link: an earlier one stays good when a later one is sent.
create table confirmation_tokens (
    token_hash bytea primary key,
    registration_id uuid not null references registrations on delete cascade
);
create index confirmation_tokens_registration on confirmation_tokens (registration_id);

-- Forms that were accepted: one that is sent twice is answered as the first time.
create table accepted_forms (
    form_id uuid primary key,
    redirect text not null,
    accepted_at timestamptz not null
);
create index accepted_forms_age on accepted_forms (accepted_at);

-- What budgets count, one row an event. The subject is hashed: one short key for every kind, and
-- the table names nobody.
create table budget_events (
    budget text not null,
    subject bytea not null,
    until timestamptz not null         -- it counts no longer
);
create index budget_events_subject on budget_events (budget, subject, until);
create index budget_events_until on budget_events (until);
