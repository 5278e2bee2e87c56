// Package compose holds the test of docker-compose.yml and of the files that it names.
package compose
