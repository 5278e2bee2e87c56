package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/protocol"
)

// operationsLooked is how many of the latest operations are tried.
const operationsLooked = 20

// operationsOpened says which keys this command line lacks.
type operationsOpened struct {
	// Keys is the key file of this command line; absent where it has none.
	Keys string `json:"keys,omitempty"`
	// Operations are the latest that were tried, Unreadable those of them that are
	// encrypted under a key that is not here, and MissingKeys its ids.
	Operations  int      `json:"operations"`
	Unreadable  int      `json:"unreadable"`
	MissingKeys []string `json:"missingKeys,omitempty"`
}

// checkEncryption says whether this command line encrypts, and reads what is there.
func (d *doctor) checkEncryption(ctx context.Context) {
	const check = "encryption"
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	keys := d.app.connection.keyPath(d.app.environment)
	opened, err := d.openOperations(ctx, keys)
	f := finding{Check: check, Status: checkOK, Details: opened}
	f.Message = "off: this command line submits in the open"
	if keys != "" {
		f.Message = "on, with the keys of " + keys
	}
	switch {
	case err != nil:
		f.Status = checkWarn
		f.Message += fmt.Sprintf("; whether it reads what is there could not be tried: %s", err)
	case opened.Unreadable > 0:
		f.Status = checkWarn
		f.Message += fmt.Sprintf("; of the %s tried, it cannot read %d, encrypted under %s",
			operationsText(opened.Operations), opened.Unreadable, strings.Join(opened.MissingKeys, ", "))
		f.Hint = "--encryption-key-file, or SERIATIM_ENCRYPTION_KEYFILE, with the workers' keys: SECURITY.md says how keys are changed"
	case opened.Operations > 0:
		f.Message += fmt.Sprintf("; it reads the %s", operationsText(opened.Operations))
	default:
		f.Message += "; no operation is there to try"
	}
	d.report(f)
}

func operationsText(n int) string {
	if n == 1 {
		return "latest operation"
	}
	return fmt.Sprintf("latest %d operations", n)
}

// openOperations tries the latest operations: their memo is encrypted like all that
// they carry, and was decrypted on its way here if the key is.
func (d *doctor) openOperations(ctx context.Context, keys string) (operationsOpened, error) {
	opened := operationsOpened{Keys: keys}
	page, err := d.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: d.options.Namespace, PageSize: operationsLooked,
		Query: "WorkflowType IN (" + protocol.QuoteForQuery(protocol.OperationWorkflow) + ", " + protocol.QuoteForQuery(protocol.RecurrenceWorkflow) + ")",
	})
	if err != nil {
		return opened, err
	}
	missing := make(map[string]bool)
	for _, info := range page.GetExecutions() {
		opened.Operations++
		if key, sealed := sealedUnder(info.GetMemo()); sealed {
			opened.Unreadable++
			missing[fmt.Sprintf("key %q", key)] = true
		}
	}
	opened.MissingKeys = slices.Sorted(maps.Keys(missing))
	return opened, nil
}

// sealedUnder is the key under which something in the memo is still encrypted.
func sealedUnder(memo *commonpb.Memo) (key string, sealed bool) {
	for _, payload := range memo.GetFields() {
		if string(payload.GetMetadata()[converter.MetadataEncoding]) == protocol.EncryptedEncoding {
			return string(payload.GetMetadata()[protocol.EncryptionKeyIDMetadata]), true
		}
	}
	return "", false
}

// compareKeys compares the worker's configuration with this command line.
func (d *doctor) compareKeys(file string, c config.Config) {
	const check = "encryption"
	keys := d.app.connection.keyPath(d.app.environment)
	_, err := c.Codec()
	switch {
	case err != nil:
		d.fail(check, err.Error(), "the worker does not start without its keys")
	case c.Encryption.KeyFile != "" && keys == "":
		d.warn(check, fmt.Sprintf("%s: the worker encrypts, and this command line has no keys", file), "--encryption-key-file, or SERIATIM_ENCRYPTION_KEYFILE, with the same keys")
	case c.Encryption.KeyFile == "" && keys != "":
		d.warn(check, fmt.Sprintf("%s: the worker has no keys, and this command line encrypts: what it submits cannot run", file), "encryption.keyFile with the same keys, and restart the workers")
	}
}
