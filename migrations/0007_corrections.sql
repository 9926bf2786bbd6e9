-- How often the address of a registration was corrected.
alter table registrations add column corrections smallint not null default 0;
