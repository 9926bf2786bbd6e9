-- Letters leave at a pace that all instances keep together: one row, which every claim moves on.

create table mail_pace (
    one boolean primary key default true check (one),
    next_at timestamptz not null       -- no letter is taken in hand before
) with (fillfactor = 10);              -- rewritten for every letter, so that there is room for it
insert into mail_pace (next_at) values ('epoch');

-- How fast letters leave is measured by those that left.
create index letters_handed_over on letters (settled_at) where state = 'handed_over';
