-- The queue of letters: a row lives from the wish to its delivery, and holds ids, never a secret
-- and never a body.

create type letter_state as enum ('queued', 'sending', 'delayed', 'handed_over', 'refused', 'given_up');

create table letters (
    id uuid primary key,
    kind text not null,
    recipient text not null,
    about uuid,                        -- the registration, the user, … that it speaks of
    priority smallint not null,        -- lower leaves first
    state letter_state not null default 'queued',
    created_at timestamptz not null,
    due_at timestamptz not null,       -- it does not leave earlier
    attempts integer not null default 0,
    first_attempt_at timestamptz,
    lease_until timestamptz,           -- while sending: when another worker may take it over
    settled_at timestamptz,            -- handed over, refused or given up
    answer text                        -- the mail service's last words
);
create index letters_due on letters (priority, due_at) where state in ('queued', 'delayed');
create index letters_leased on letters (lease_until) where state = 'sending';
create index letters_about on letters (about);
create index letters_settled on letters (settled_at) where settled_at is not null;

-- When a registration runs out: 7 days after its last letter was handed over, refused or given up;
-- without any letter, 7 days after it was made. While a letter is under way it does not (null).
create view live_registrations as
select registrations.*,
    case when under_way then null
    else greatest(created_at, last_settled_at) + interval '7 days' end as runs_out_at
from registrations
cross join lateral (
    select coalesce(bool_or(settled_at is null), false) as under_way, max(settled_at) as last_settled_at
    from letters where letters.about = registrations.id
) as their_letters;
