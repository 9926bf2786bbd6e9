-- Operators' invitations: each opens one registration without a captcha.

create table invitations (
    id uuid primary key,
    email text not null,               -- whom it is mailed to; it may be registered with another address
    created_at timestamptz not null,
    used_at timestamptz                -- when a registration was made with it
);
create index invitations_age on invitations (created_at);
create table invitation_tokens (
    token_hash bytea primary key,
    invitation_id uuid not null references invitations on delete cascade
);
create index invitation_tokens_invitation on invitation_tokens (invitation_id);

-- When it runs out: 7 days after its letter was handed over, refused or given up.
create view live_invitations as
select invitations.*,
    case when under_way then null
    else greatest(created_at, last_settled_at) + interval '7 days' end as runs_out_at
from invitations
cross join lateral (
    select coalesce(bool_or(settled_at is null), false) as under_way, max(settled_at) as last_settled_at
    from letters where letters.about = invitations.id
) as their_letters;
