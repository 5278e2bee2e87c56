// Package compose holds the tests of docker-compose.yml, of the Dockerfile, and of the files that
// they name.
package compose
