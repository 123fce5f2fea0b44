//! The object store and its provider: a real server process on a free loopback port, real S3 clients.

mod child;
mod harness;

mod buckets;
mod crash;
mod keys;
mod minio;
mod multipart;
mod objects;
mod provider;
mod purge;
mod service;
mod strangers;
mod tags;
mod web;
