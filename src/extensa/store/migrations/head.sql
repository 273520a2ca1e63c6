-- The schema at head for SQLite: what the migrations in versions/ add up to. A test prints what must stand here.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE resources (
	"key" TEXT NOT NULL, 
	type TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE INDEX resources_by_type ON resources (type, "key");
CREATE TABLE operations (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	resource_key TEXT NOT NULL, 
	ended BIGINT, 
	body BLOB NOT NULL, 
	PRIMARY KEY (number), 
	CONSTRAINT operations_by_id UNIQUE (id)
);
CREATE INDEX operations_by_end ON operations (ended, number);
CREATE TABLE blobs (
	digest TEXT NOT NULL, 
	content BLOB NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE feed_sequence (
	number INTEGER NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE feeds (
	number INTEGER NOT NULL, 
	lane TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (number), 
	CONSTRAINT feed_rows_by_key UNIQUE (lane, "key")
);
CREATE INDEX feeds_by_sequence ON feeds (lane, sequence);
INSERT INTO feed_sequence (number, value) VALUES (1, 0);
