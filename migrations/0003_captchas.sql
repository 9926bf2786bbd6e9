-- Tasks that were shown; any instance can draw and check them. A row goes when it is spent on an
-- accepted form, or with its time.
create table captchas (
    id uuid primary key,
    task text not null,                -- '7 + 5'
    seed bigint not null,              -- secret like the answer: it draws the picture
    answer smallint not null,
    wrong_answers smallint not null default 0,
    created_at timestamptz not null,
    solved_at timestamptz              -- a right answer holds for the attempts that follow
);
create index captchas_age on captchas (created_at);
