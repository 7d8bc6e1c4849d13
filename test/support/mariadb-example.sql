-- A shop with one of everything that MariaDB's dump has to carry. :DATABASE: stands for the database's own name.
set names utf8mb4;
set sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES';

create table customers (
  id int unsigned not null auto_increment primary key,
  name varchar(200) not null,
  email varchar(200) character set ascii not null unique,
  birthday date default '0000-00-00',
  since timestamp(6) not null default current_timestamp(6),
  settings json default null,
  flags bit(12) not null default b'101',
  shout varchar(210) generated always as (concat(name, '!')) virtual,
  name_length int generated always as (char_length(name)) stored,
  favourite int unsigned,
  key (name_length),
  constraint name_is_not_empty check (name <> '')
) auto_increment = 1000 comment = 'who buys; it''s `here`';

create table orders (
  id int unsigned not null auto_increment primary key,
  customer_id int unsigned not null,
  placed_at datetime(3) not null,
  total decimal(20,6) not null,
  state enum('new', 'päid', 'gone;') not null default 'new',
  key (customer_id),
  constraint orders_customer foreign key (customer_id) references customers (id) on delete cascade on update cascade,
  foreign key (customer_id) references customers (id)
);
alter table customers add constraint customers_favourite foreign key (favourite) references orders (id) on delete set null;

create table files (id int primary key, content longblob, small varbinary(20), shape geometry, note text character set latin1);
create table tree (id int primary key, parent int, constraint tree_parent foreign key (parent) references tree (id));
create table audit (id bigint auto_increment primary key, what text, at timestamp null) engine = InnoDB row_format = compressed;
create table `odd ``name` (`a b` int, `select` varchar(10) default 'x;y', `ü` double, primary key (`a b`));
create table `Upper_Case.dot` (x int) partition by hash (x) partitions 3;
create table nothing_in_it (x int primary key);
create sequence numbers start with 100 increment by 7 cache 10;

insert into customers (id, name, email, birthday, settings, flags) values
  (0, 'zero', 'zero@example.org', '0000-00-00', null, b'0'),
  (1, 'Zoë "the" O''Neill\\', 'zoe@example.org', '1999-02-28', '{"a": [1, 2, {"b": "ü"}]}', b'111111111111'),
  (2, 'line\nbreak\r\n(1,2),\n(3)', 'line@example.org', '2000-01-00', '"x"', b'1'),
  (3, '日本語 🎉 \0 \Z', 'utf8@example.org', null, '[]', b'10');
insert into orders (customer_id, placed_at, total, state)
  select c.id, '2026-01-01 12:00:00.123' + interval n.n hour, n.n * 1.000001, 1 + n.n % 3
  from customers c join (select 1 as n union select 2 union select 3 union select 40 union select 51) n where c.id > 0;
update customers set favourite = (select min(id) from orders where customer_id = customers.id) where id > 0;
insert into files values
  (1, concat(char(0), char(255), '\n(', char(26), 'UNLOCK TABLES;\n'), x'00ff0a', st_geomfromtext('POINT(1 2)'), 'caf\u00e9'),
  (2, repeat('\n(1),\n', 50000), null, null, 'UNLOCK TABLES;\nLOCK TABLES `x` WRITE;\n(1)'),
  (3, '', '', st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))'), null);
update files set note = 'café' where id = 1;
insert into tree values (1, null), (2, 1), (3, 1);
update tree set parent = 3 where id = 1;
insert into `odd ``name` values (1, 'it''s', 1e300), (2, default, -0.1);
insert into `Upper_Case.dot` values (1), (2), (null), (30);
select nextval(numbers), nextval(numbers);

create function full_price(net decimal(20,6)) returns decimal(20,6) deterministic return net * 1.19;
create view big_orders as select o.id, c.name, full_price(o.total) as gross from orders o join customers c on c.id = o.customer_id where o.total > 2;
-- the name comes before that of the view it needs
create algorithm = merge sql security invoker view a_first as select name, count(*) as n from big_orders group by name;

delimiter //
create trigger :DATABASE:.orders_audit after insert on :DATABASE:.orders for each row
begin
  -- LOCK TABLES `orders` WRITE;
  insert into audit (what) values (concat('new order ', new.id));
  insert into audit (what) values ('second');
end//
create trigger orders_audit_2 /* why not */ after insert
  on orders for each row follows orders_audit insert into audit (what) values ('third; or so')//
create trigger orders_before before update on orders for each row set new.total = abs(new.total)//
create procedure close_old(in days int, out n int) sql security invoker comment 'it''s slow'
begin
  declare done int default 0;
  /*
DELIMITER ;
LOCK TABLES `orders` WRITE;
INSERT INTO `orders` VALUES
(1)
  */
  update orders set state = 'gone;' where placed_at < now() - interval days day;
  set n = row_count();
end//
create event nightly on schedule every 1 day starts '2026-01-01 03:00:00' on completion preserve comment 'ENABLE me'
  do call close_old(30, @n)//
create event sleeping on schedule every 1 hour disable do delete from audit//
delimiter ;
set sql_mode = 'ANSI_QUOTES';
set names latin1;
create procedure old_charset() select "id" from "orders";
