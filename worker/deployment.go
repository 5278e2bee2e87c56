package main

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/internal/config"
)

// The environment variables that turn Worker Versioning on: the names that the
// Temporal Worker Controller sets.
const (
	deploymentNameVariable = "TEMPORAL_DEPLOYMENT_NAME"
	buildIDVariable        = "TEMPORAL_WORKER_BUILD_ID"
)

// deployment is the version of a Worker Deployment that this worker is, or the
// zero value, which is a worker without versioning. Either both variables are set
// or neither is.
func deployment(env config.Env) (worker.DeploymentOptions, error) {
	name, _ := env(deploymentNameVariable)
	build, _ := env(buildIDVariable)
	switch {
	case name == "" && build == "":
		return worker.DeploymentOptions{}, nil
	case name == "":
		return worker.DeploymentOptions{}, fmt.Errorf("%s is %q, but %s is not set: set both or neither", buildIDVariable, build, deploymentNameVariable)
	case build == "":
		return worker.DeploymentOptions{}, fmt.Errorf("%s is %q, but %s is not set: set both or neither", deploymentNameVariable, name, buildIDVariable)
	case strings.ContainsAny(name, ".:") || strings.HasPrefix(name, "__"):
		return worker.DeploymentOptions{}, fmt.Errorf(`%s is %q: the server takes no "." or ":" in it, and no "__" in front`, deploymentNameVariable, name)
	case strings.HasPrefix(build, "__"):
		return worker.DeploymentOptions{}, fmt.Errorf(`%s is %q: the server takes no "__" in front of it`, buildIDVariable, build)
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version:       worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: build},
	}, nil
}
