-- What version 0.1 made (SQLite's own dump), with three rows of made-up values.
PRAGMA application_id = 1447908180;
BEGIN TRANSACTION;
CREATE TABLE account (
	account BLOB NOT NULL, 
	voucher_count BIGINT DEFAULT '0' NOT NULL, 
	share_version BIGINT DEFAULT '0' NOT NULL, 
	checked_version BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (account)
);
CREATE TABLE case_file (
	case_id BLOB NOT NULL, 
	account BLOB NOT NULL, 
	state TEXT NOT NULL, 
	opened_day INTEGER NOT NULL, 
	PRIMARY KEY (case_id), 
	UNIQUE (account)
);
CREATE TABLE case_item (
	case_id BLOB NOT NULL, 
	asset_id BLOB NOT NULL, 
	sealed_item BLOB NOT NULL, 
	second_hash_agrees INTEGER, 
	PRIMARY KEY (case_id, asset_id)
);
CREATE TABLE counter (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counter" VALUES('intake stored',7);
CREATE TABLE device (
	account BLOB NOT NULL, 
	device_key_id BLOB NOT NULL, 
	public_key BLOB NOT NULL, 
	PRIMARY KEY (account, device_key_id)
);
CREATE TABLE operator_item (
	account BLOB NOT NULL, 
	kind TEXT NOT NULL, 
	PRIMARY KEY (account, kind)
);
CREATE TABLE outbox_file (
	report_key BLOB NOT NULL, 
	body TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	file_id TEXT, 
	blob_id BLOB NOT NULL, 
	sealed_details BLOB NOT NULL, 
	PRIMARY KEY (report_key, body, position), 
	FOREIGN KEY(report_key, body) REFERENCES outbox_report (report_key, body)
);
CREATE TABLE outbox_receipt (
	receipt_id INTEGER NOT NULL, 
	report_key BLOB NOT NULL, 
	body TEXT NOT NULL, 
	step TEXT NOT NULL, 
	is_effective BOOLEAN NOT NULL, 
	code INTEGER NOT NULL, 
	request_id TEXT NOT NULL, 
	report_number BIGINT, 
	file_id TEXT, 
	file_ids TEXT, 
	received_at BIGINT NOT NULL, 
	PRIMARY KEY (receipt_id), 
	FOREIGN KEY(report_key, body) REFERENCES outbox_report (report_key, body)
);
CREATE TABLE outbox_report (
	report_key BLOB NOT NULL, 
	body TEXT NOT NULL, 
	state TEXT NOT NULL, 
	report_number BIGINT, 
	opened_at BIGINT DEFAULT '0' NOT NULL, 
	changed_at BIGINT DEFAULT '0' NOT NULL, 
	is_finish_sent BOOLEAN DEFAULT '0' NOT NULL, 
	open_count INTEGER DEFAULT '0' NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	next_attempt_at BIGINT DEFAULT '0' NOT NULL, 
	lease_token BLOB, 
	lease_expires_at BIGINT DEFAULT '0' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	queued_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	score INTEGER NOT NULL, 
	sealed_document BLOB NOT NULL, 
	PRIMARY KEY (report_key, body), 
	CONSTRAINT outbox_report_state CHECK (state IN ('queued', 'open', 'replacing', 'finishing', 'withdrawing', 'finished', 'dead')), 
	CONSTRAINT outbox_report_finished CHECK (state != 'finished' OR (report_number IS NOT NULL AND finished_at IS NOT NULL)), 
	UNIQUE (body, report_number)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE segment (
	segment_id BLOB NOT NULL, 
	state TEXT NOT NULL, 
	opened_at BIGINT NOT NULL, 
	not_before BIGINT DEFAULT '0' NOT NULL, 
	body_len BIGINT DEFAULT '0' NOT NULL, 
	voucher_count INTEGER DEFAULT '0' NOT NULL, 
	lease_token BLOB, 
	lease_expires_at BIGINT DEFAULT '0' NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (segment_id)
);
INSERT INTO "segment" VALUES(X'00000000000000000000000000000000','sealed',5,0,0,0,NULL,0,0);
CREATE TABLE share (
	account BLOB NOT NULL, 
	asset_id BLOB NOT NULL, 
	point_tag BLOB NOT NULL, 
	min_shares INTEGER NOT NULL, 
	dhf_width INTEGER NOT NULL, 
	delta_max INTEGER NOT NULL, 
	sealed_share BLOB NOT NULL, 
	PRIMARY KEY (account, asset_id), 
	UNIQUE (account, point_tag)
);
CREATE TABLE voucher (
	account BLOB NOT NULL, 
	asset_id BLOB NOT NULL, 
	state TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	release_id BLOB, 
	device_key_id BLOB, 
	segment_id BLOB, 
	"offset" BIGINT, 
	length INTEGER, 
	sealed_key BLOB, 
	PRIMARY KEY (account, asset_id)
);
INSERT INTO "voucher" VALUES(X'00000000000000000000000000000000',X'00000000000000000000000000000000','waiting',X'0000000000000000000000000000000000000000000000000000000000000000',NULL,NULL,X'00000000000000000000000000000000',0,10,X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');
CREATE INDEX segment_by_state ON segment (state, not_before);
CREATE INDEX voucher_by_segment ON voucher (segment_id);
CREATE INDEX outbox_report_due ON outbox_report (state, next_attempt_at);
CREATE UNIQUE INDEX outbox_one_finish ON outbox_receipt (report_key, body) WHERE step = 'finish' AND is_effective = 1;
CREATE INDEX outbox_receipt_by_report ON outbox_receipt (report_key, body);
COMMIT;
