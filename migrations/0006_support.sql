-- What people wrote on the support page.

create table support_requests (
    id uuid primary key,
    reference text not null,           -- what its sender and the operators call it
    email text not null,               -- as it was typed: where the answer goes
    message text not null,
    user_id uuid references users on delete cascade, -- whoever was logged in
    letter_state text,                 -- what had become of the letter of their own registration
    created_at timestamptz not null,
    closed_at timestamptz,             -- by operators
    constraint support_requests_reference unique (reference)
);
create index support_requests_user on support_requests (user_id) where user_id is not null;
create index support_requests_age on support_requests (created_at);
