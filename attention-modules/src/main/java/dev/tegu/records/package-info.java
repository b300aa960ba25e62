/** Files of records (JSON, Parquet) as JSON objects, each with the place where it stands. */
package dev.tegu.records;
