-- A shop that lends films: every kind of object that lives in a MariaDB schema, tied to others as in a grown application.
set names utf8mb4;
set foreign_key_checks = 0;

create table language (id tinyint unsigned not null auto_increment primary key, name char(20) not null unique) comment = 'as spoken';
create table person (
  id int unsigned not null auto_increment primary key,
  first_name varchar(45) not null,
  last_name varchar(45) not null,
  full_name varchar(91) generated always as (concat_ws(' ', first_name, last_name)) virtual,
  initials char(2) as (concat(left(first_name, 1), left(last_name, 1))) stored,
  touched timestamp not null default current_timestamp on update current_timestamp,
  secret varchar(10) invisible default 'x',
  key by_name (last_name, first_name),
  key by_initials (initials)
);
create table film (
  id int unsigned not null auto_increment primary key,
  title varchar(128) not null,
  description text,
  released year,
  language_id tinyint unsigned not null,
  sequel_of int unsigned,
  minutes smallint unsigned check (minutes > 0),
  rating enum('G', 'PG', 'R') default 'G',
  features set('trailers', 'commentaries', 'it''s long'),
  price decimal(5, 2) not null default 4.99,
  price_with_tax decimal(7, 4) generated always as (price * 1.19) stored,
  details longtext check (json_valid(details)),
  constraint film_language foreign key (language_id) references language (id) on update cascade,
  constraint film_sequel foreign key (sequel_of) references film (id) on delete set null,
  constraint price_is_sane check (price between 0 and 100),
  fulltext key words (title, description)
) auto_increment = 500;
create table film_person (
  film_id int unsigned not null,
  person_id int unsigned not null,
  role varchar(30) not null default 'actor',
  primary key (film_id, person_id),
  constraint fp_film foreign key (film_id) references film (id) on delete cascade,
  constraint fp_person foreign key (person_id) references person (id)
);
-- a store has a manager, who works in a store: a circle
create table store (
  id int unsigned not null auto_increment primary key,
  manager_id int unsigned not null unique,
  place point not null,
  spatial key (place),
  constraint store_manager foreign key (manager_id) references staff (id) on update cascade
);
create table staff (
  id int unsigned not null auto_increment primary key,
  person_id int unsigned not null,
  store_id int unsigned not null,
  password varbinary(40),
  constraint staff_person foreign key (person_id) references person (id),
  constraint staff_store foreign key (store_id) references store (id) on update cascade
);
create table inventory (id int unsigned not null auto_increment primary key, film_id int unsigned not null, store_id int unsigned not null,
  constraint i_film foreign key (film_id) references film (id), constraint i_store foreign key (store_id) references store (id));
create table rental (
  id bigint not null auto_increment primary key,
  inventory_id int unsigned not null,
  customer_id int unsigned not null,
  lent datetime(3) not null default current_timestamp(3),
  due date as (cast(lent as date) + interval 7 day) virtual,
  returned datetime,
  unique key once (inventory_id, customer_id, lent),
  constraint r_inventory foreign key (inventory_id) references inventory (id),
  constraint r_customer foreign key (customer_id) references person (id)
) row_format = dynamic;
create table payment (
  id bigint not null, paid date not null, amount decimal(7, 2) not null, primary key (id, paid)
) partition by range (year(paid)) (partition p2025 values less than (2026), partition later values less than maxvalue);
create table log_of_prices (at timestamp(6) default current_timestamp(6), film_id int unsigned, old decimal(5, 2), new decimal(5, 2));
create sequence receipt start with 1000 increment by 10 minvalue 1000 maxvalue 999999 cycle;
set foreign_key_checks = 1;

create algorithm = merge view cheap_films as select id, title, price from film where price < 3 with cascaded check option;
create sql security invoker view lent_now as
  select r.id, f.title, p.full_name, r.due from rental r join inventory i on i.id = r.inventory_id
  join film f on f.id = i.film_id join person p on p.id = r.customer_id where r.returned is null;
create view overdue as select l.*, datediff(current_date, l.due) as days from lent_now l where l.due < current_date;
create view series as with recursive s (id, first, depth) as (
  select id, id, 0 from film where sequel_of is null union all select f.id, s.first, depth + 1 from film f join s on f.sequel_of = s.id)
  select * from s;

delimiter ;;
create function in_stock(film int unsigned) returns int reads sql data comment 'copies that nobody has'
begin
  declare n int default 0;
  select count(*) into n from inventory i left join rental r on r.inventory_id = i.id and r.returned is null
    where i.film_id = film and r.id is null;
  return n;
end;;
create aggregate function longest(x int) returns int
begin
  declare most int default 0;
  declare continue handler for not found return most;
  loop fetch group next row; if x > most then set most = x; end if; end loop;
end;;
create procedure lend(in film int unsigned, in customer int unsigned, out rental_id bigint)
  modifies sql data sql security invoker
begin
  declare copy int unsigned;
  declare exit handler for sqlexception begin rollback; resignal; end;
  start transaction;
  select i.id into copy from inventory i where i.film_id = film and not exists
    (select 1 from rental r where r.inventory_id = i.id and r.returned is null) limit 1 for update;
  if copy is null then signal sqlstate '45000' set message_text = 'nothing left; try "later"'; end if;
  insert into rental (inventory_id, customer_id) values (copy, customer);
  set rental_id = last_insert_id();
  commit;
end;;
create procedure nothing_done() begin end;;
create trigger price_changes after update on film for each row
begin
  if old.price <> new.price then insert into log_of_prices (film_id, old, new) values (new.id, old.price, new.price); end if;
end;;
create trigger film_before before insert on film for each row set new.title = trim(new.title);;
create trigger film_before_second before insert on film for each row follows film_before set new.description = coalesce(new.description, new.title);;
create trigger rental_back before update on rental for each row set new.returned = if(new.returned < old.lent, old.lent, new.returned);;
create event tidy on schedule every 1 day starts '2026-01-01 03:00:00' on completion preserve comment 'at night'
  do begin delete from log_of_prices where at < now() - interval 1 year; end;;
create event never on schedule at '2037-12-31 23:59:59' disable do call nothing_done();;
delimiter ;
create view a_uses_function as select id, in_stock(id) as copies from film;
set sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
delimiter ;;
create function "other mode"() returns varchar(10) deterministic return 'a' || 'b';;
create procedure "call other"() select "other mode"();;
delimiter ;
set sql_mode = default;

insert into language (name) values ('Deutsch'), ('日本語');
insert into person (first_name, last_name) values ('Ada', 'Lovelace'), ('Zoë', 'O''Hara'), ('Li', 'Wei');
insert into film (title, language_id, sequel_of, minutes, features, details) values
  (' First ', 1, null, 90, 'trailers,it''s long', '{"a": [1, "ü"]}'), ('Second', 2, 500, 120, '', null), ('Third', 2, 501, 100, null, '[]');
set foreign_key_checks = 0;
insert into store (id, manager_id, place) values (1, 1, point(13.4, 52.5));
insert into staff (id, person_id, store_id, password) values (1, 1, 1, x'00ff27225c');
set foreign_key_checks = 1;
insert into film_person (film_id, person_id) values (500, 1), (501, 2);
insert into inventory (film_id, store_id) values (500, 1), (501, 1);
call lend(500, 2, @id);
update film set price = 2.5 where id = 501;
insert into payment values (1, '2025-05-05', 3.5), (2, '2026-05-05', 4.5);
select next value for receipt;
