// Package gone knows how a Temporal server says that it has no such execution.
package gone

import (
	"errors"
	"strings"

	"go.temporal.io/api/serviceerror"
)

// historyOf is in what a server with an archive says of a history that is neither
// kept nor archived. Its code is that of a wrong request; the servers in
// Temporal's own images are set up so.
const historyOf = "workflow history not found"

// Is says whether the error is the server's answer that it has no such workflow,
// no running one by that id, or no history of it (any more).
func Is(err error) bool {
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return true
	}
	var invalid *serviceerror.InvalidArgument
	return errors.As(err, &invalid) && strings.Contains(invalid.Error(), historyOf)
}
