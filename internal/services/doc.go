// Package services runs the services of docker-compose.yml as processes of this
// machine, without containers: PostgreSQL, and on it Temporal's own server with
// its schema and namespace jobs. Environments, jobs and the dynamic configuration
// are read from the file and run as they stand there; only addresses, ports and
// the number of history shards are others.
package services
