package main

import (
	"fmt"
	"io"

	"go.temporal.io/server/common/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// neverLogged is above every level that zap has.
const neverLogged = zapcore.FatalLevel + 1

// newLogger returns the server's logger and its level, which can be changed
// while the server runs.
func newLogger(out io.Writer, level, format string) (log.Logger, zap.AtomicLevel, error) {
	parsed, err := parseLevel(level)
	if err != nil {
		return nil, parsed, err
	}
	var encoder zapcore.Encoder
	switch format {
	case "json":
		encoder = zapcore.NewJSONEncoder(log.DefaultZapEncoderConfig)
	case "text", "pretty":
		encoder = zapcore.NewConsoleEncoder(log.DefaultZapEncoderConfig)
	default:
		return nil, parsed, fmt.Errorf("--log-format %q: want text, json or pretty", format)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(out)), parsed)
	return log.NewZapLogger(zap.New(core)), parsed, nil
}

func parseLevel(level string) (zap.AtomicLevel, error) {
	switch level {
	case "never":
		return zap.NewAtomicLevelAt(neverLogged), nil
	case "debug", "info", "warn", "error":
		return zap.ParseAtomicLevel(level)
	default:
		return zap.NewAtomicLevel(), fmt.Errorf("--log-level %q: want debug, info, warn, error or never", level)
	}
}
