-- The bytes lie in the bucket under attachments/<note id>; this says that they are there and what they are.
CREATE TABLE attachment (
    note_id      bigint PRIMARY KEY REFERENCES note ON DELETE CASCADE,
    name         text   NOT NULL,
    content_type text   NOT NULL,
    size         bigint NOT NULL
);
