-- A customer and an artist account of one person, each the other's counterpart: of one user, or of two
-- users who were linked.

alter table accounts
    add column last_here_at timestamptz,         -- when somebody last switched to it
    add constraint accounts_with_type unique (id, account_type);

create table pairs (
    customer_account_id uuid not null,
    artist_account_id uuid not null,
    paired_at timestamptz not null,
    -- What the accounts must be; so nothing is a pair with itself or with its like.
    customer account_type not null generated always as ('customer') stored,
    artist account_type not null generated always as ('artist') stored,
    constraint pairs_customer_once primary key (customer_account_id),
    constraint pairs_artist_once unique (artist_account_id),
    constraint pairs_customer foreign key (customer_account_id, customer)
        references accounts (id, account_type) on delete cascade,
    constraint pairs_artist foreign key (artist_account_id, artist)
        references accounts (id, account_type) on delete cascade
);

insert into pairs (customer_account_id, artist_account_id, paired_at)
select customer.id, artist.id, greatest(customer.created_at, artist.created_at)
from accounts as customer join accounts as artist using (user_id)
where customer.account_type = 'customer' and artist.account_type = 'artist';

-- A pair, seen from either of its accounts.
create view counterparts as
select customer_account_id as account_id, artist_account_id as counterpart_id, paired_at from pairs
union all
select artist_account_id, customer_account_id, paired_at from pairs;

-- The two accounts of one user are always a pair; so neither can be in another one.
create function refuse_two_accounts_apart() returns trigger language plpgsql as $$
declare
    owners uuid[];
begin
    if tg_table_name = 'accounts' then
        owners := array[new.user_id];
    else
        owners := array(select user_id from accounts where id in (old.customer_account_id, old.artist_account_id));
    end if;
    if exists (
        select from accounts as customer join accounts as artist using (user_id)
        where user_id = any (owners) and customer.account_type = 'customer' and artist.account_type = 'artist'
            and not exists (
                select from pairs
                where customer_account_id = customer.id and artist_account_id = artist.id
            )
    ) then
        raise exception 'two accounts of one user are a pair' using errcode = 'restrict_violation';
    end if;
    return null;
end
$$;
create constraint trigger accounts_of_one_user_are_a_pair after insert or update of user_id, account_type on accounts
    deferrable initially deferred for each row execute function refuse_two_accounts_apart();
create constraint trigger pairs_of_one_user_stay after update or delete on pairs
    deferrable initially deferred for each row execute function refuse_two_accounts_apart();

-- A session that was switched to from a linked user's belongs to both: what ends the sessions of either
-- ends it.
alter table sessions
    add column other_user_id uuid references users on delete cascade,
    add constraint sessions_of_two check (other_user_id <> user_id);
create index sessions_other_user on sessions (other_user_id, logged_in_at desc, id_hash desc)
    where other_user_id is not null;
