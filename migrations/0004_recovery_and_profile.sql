-- What follows a registration: passwords that are changed and recovered, addresses that are changed
-- and given back, what happened to whom, and how somebody goes.

alter table users
    add column password_is_generated boolean not null default false, -- its owner has not chosen one yet
    add column password_changed_at timestamptz,
    add column deletion_due_at timestamptz;      -- in its grace of deletion until then
create index users_deletion_due on users (deletion_due_at) where deletion_due_at is not null;

alter table accounts
    add column deletion_due_at timestamptz;      -- one of two accounts, hidden until then
create index accounts_deletion_due on accounts (deletion_due_at) where deletion_due_at is not null;

-- Where a user is logged in is shown with the latest first.
drop index sessions_user;
create index sessions_user on sessions (user_id, logged_in_at desc, id_hash desc);

-- A password that recovery has mailed: harmless until it is used. It has salt and parameters of its
-- user's own hash, so that one hash answers for both.
create table generated_passwords (
    password_hash text primary key,
    user_id uuid not null references users on delete cascade,
    letter_id uuid not null references letters on delete cascade
);
create index generated_passwords_user on generated_passwords (user_id);
create index generated_passwords_letter on generated_passwords (letter_id);

-- When a generated password dies: 24 hours after its letter was handed over, refused or given up.
-- While it is under way it does not (null).
create view live_generated_passwords as
select generated_passwords.*, settled_at + interval '24 hours' as runs_out_at
from generated_passwords join letters on letters.id = letter_id;

-- An address that a user wants instead of theirs: it becomes theirs when its letter is answered.
create table email_changes (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    email text not null,
    email_key text not null,
    asked_at timestamptz not null,
    constraint email_changes_once unique (user_id, email_key)
);
create table email_change_tokens (
    token_hash bytea primary key,
    email_change_id uuid not null references email_changes on delete cascade
);
create index email_change_tokens_email_change on email_change_tokens (email_change_id);

-- When it runs out: 7 days after its last letter was handed over, refused or given up.
create view live_email_changes as
select email_changes.*,
    case when under_way then null
    else greatest(asked_at, last_settled_at) + interval '7 days' end as runs_out_at
from email_changes
cross join lateral (
    select coalesce(bool_or(settled_at is null), false) as under_way, max(settled_at) as last_settled_at
    from letters where letters.about = email_changes.id
) as their_letters;

-- What happened to a user and was told to an address, which may answer “This was not me”.
create table notices (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    kind text not null,
    email text not null,               -- it was sent there, and acts for that address
    email_key text not null,
    happened_at timestamptz not null,
    client_address inet not null,
    user_agent text not null,
    password_hash text not null        -- what held just before: who undoes proves that one
);
create index notices_user on notices (user_id, happened_at);
create index notices_email on notices (email_key) where kind = 'email_changed';
create table notice_tokens (
    token_hash bytea primary key,
    notice_id uuid not null references notices on delete cascade
);
create index notice_tokens_notice on notice_tokens (notice_id);

-- When a notice runs out: 7 days after its letter was handed over, refused or given up. So long an
-- address that was given up stays reserved.
create view live_notices as
select notices.*,
    case when under_way then null
    else greatest(happened_at, last_settled_at) + interval '7 days' end as runs_out_at
from notices
cross join lateral (
    select coalesce(bool_or(settled_at is null), false) as under_way, max(settled_at) as last_settled_at
    from letters where letters.about = notices.id
) as their_letters;

-- What happened to a user, for them to read.
create table activity (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    happened_at timestamptz not null,
    kind text not null,
    details jsonb,                     -- what the kind leaves open
    client_address inet,               -- null for what nobody did from anywhere
    user_agent text
);
create index activity_user on activity (user_id, happened_at desc, id desc);

-- A user goes when the grace of their deletion is over, and in no other way. The program has the
-- time; without it the database's own counts.
create function refuse_deletion_before_its_time() returns trigger language plpgsql as $$
begin
    if old.deletion_due_at <= coalesce(nullif(current_setting('vestibule.now', true), '')::timestamptz, now()) then
        return old;
    end if;
    raise exception 'a user is deleted when the grace of their deletion is over' using errcode = 'restrict_violation';
end
$$;
create trigger users_go_in_their_time before delete on users
    for each row execute function refuse_deletion_before_its_time();

-- Activity is only ever added to; it goes with its user.
create function refuse_change_of_activity() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if not exists (select from users where id = old.user_id) then
            return old;
        end if;
    end if;
    raise exception 'activity is only ever added to' using errcode = 'restrict_violation';
end
$$;
create trigger activity_stays before update or delete on activity
    for each row execute function refuse_change_of_activity();
create trigger activity_is_not_emptied before truncate on activity
    for each statement execute function refuse_change_of_activity();
