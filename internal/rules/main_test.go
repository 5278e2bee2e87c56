package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryRuleThatIsBuiltHasATest(t *testing.T) {
	t.Parallel()
	missing, err := untested(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.Empty(t, missing)
}

func TestUntestedRulesAreFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "docs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "semantics.md"),
		[]byte(`<a id="1"></a> <a id="1.1"></a> <a id="1.2"></a> <a id="1.3"></a> <a id="2.1"></a> <a id="2.2"></a>`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "x_test.go"), []byte("// SP"+"EC 1.1 to 1.3, 2.2"), 0o644))
	missing, err := untested(root)
	require.NoError(t, err)
	require.Equal(t, []string{"2.1"}, missing)
}
