package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// Env looks a variable up, as os.LookupEnv does.
type Env func(name string) (value string, ok bool)

// Load reads the YAML file and the environment over the defaults, and checks the
// result. The error names the file, and each key that is unknown or whose value
// is wrong.
func Load(path string, env Env) (Config, error) {
	v := viper.New()
	v.SetConfigFile(path)
	v.SetConfigType("yaml")
	if err := v.ReadInConfig(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	c := Default()
	c.path = path
	if err := v.UnmarshalExact(&c, strictly); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, described(err))
	}
	if err := c.override(env); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// EnvName is the environment variable that overrides the setting.
func EnvName(key string) string {
	return "SERIATIM_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// override takes settings from the environment; an empty variable is none.
func (c *Config) override(env Env) error {
	settings := c.settings()
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value, ok := env(EnvName(key))
		if !ok || value == "" {
			continue
		}
		if expected := set(settings[key], value); expected != "" {
			problems = append(problems, fmt.Errorf("%s: %q is not %s", EnvName(key), value, expected))
		}
	}
	return errors.Join(problems...)
}

// set reads the value into the setting, or says what it expects.
func set(setting any, value string) (expected string) {
	var err error
	switch setting := setting.(type) {
	case *string:
		*setting = value
	case *bool:
		*setting, err = strconv.ParseBool(value)
	case *int:
		*setting, err = strconv.Atoi(value)
	case *time.Duration:
		*setting, err = time.ParseDuration(value)
	}
	if err != nil {
		return expectation(reflect.TypeOf(setting).Elem())
	}
	return ""
}

// expectation describes a type's values in the file's words.
func expectation(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration with its unit, such as "30s"`
	case t == secretType:
		return "a string, {env: NAME} or {file: PATH}"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Slice:
		return "a list"
	}
	return "a section of keys"
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
)

// strictly lets no value be taken for one of another type.
func strictly(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.DecodeHook = func(from, to reflect.Type, value any) (any, error) {
		text, isText := value.(string)
		if to == secretType && isText {
			return Secret{Value: text}, nil
		}
		if to == durationType {
			if duration, err := time.ParseDuration(text); err == nil {
				return duration, nil
			}
		} else if fits(from, to, value) {
			return value, nil
		}
		return nil, &mapstructure.UnconvertibleTypeError{Expected: reflect.New(to).Elem(), Value: value}
	}
}

// fits refuses what mapstructure would take or complain about without the value.
func fits(from, to reflect.Type, value any) bool {
	number, isFraction := value.(float64)
	switch to.Kind() {
	case reflect.Struct:
		return from.Kind() == reflect.Map
	case reflect.Slice:
		return from.Kind() == reflect.Slice
	case reflect.Int:
		return !isFraction
	case reflect.Float64:
		return !math.IsNaN(number) && !math.IsInf(number, 0)
	}
	return true
}

// described turns viper's error into one line for each key.
func described(err error) error {
	switch err := err.(type) {
	case *mapstructure.DecodeError:
		return describe(err)
	case interface{ Unwrap() []error }:
		var problems []error
		for _, one := range err.Unwrap() {
			problems = append(problems, described(one))
		}
		return errors.Join(problems...)
	case interface{ Unwrap() error }:
		return described(err.Unwrap())
	}
	return err
}

func describe(e *mapstructure.DecodeError) error {
	var mismatch *mapstructure.UnconvertibleTypeError
	if errors.As(e, &mismatch) {
		return fmt.Errorf("%s: %#v is not %s", e.Name(), mismatch.Value, expectation(mismatch.Expected.Type()))
	}
	if keys, ok := strings.CutPrefix(e.Unwrap().Error(), "has invalid keys: "); ok {
		section := strings.TrimPrefix(e.Name()+".", ".")
		return fmt.Errorf("%s%s: is not a setting", section, strings.ReplaceAll(keys, ", ", ", "+section))
	}
	return e
}
