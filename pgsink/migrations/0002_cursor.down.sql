DROP FUNCTION headcount_advance(text, integer, bigint, bigint);
DROP TABLE headcount_cursor;
