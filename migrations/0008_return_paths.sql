-- Where a report comes back to that a letter could not be delivered after all: each attempt's address holds
-- a secret, which proves that the report speaks of that letter.

create table return_paths (
    token_hash bytea primary key,
    letter_id uuid not null references letters on delete cascade
);
create index return_paths_letter on return_paths (letter_id);
