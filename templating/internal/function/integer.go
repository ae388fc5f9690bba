package function

import (
	"math"
	"math/bits"
	"strconv"
)

// integerFunctions are arithmetic on int64. Overflow is an error, never a wrapped result.
func integerFunctions() []Function {
	return sprigGroup("numbers", []Function{
		{Usage: "add N…", Doc: "the sum", Max: anyNumber, run: folding(0, addInt)},
		{Usage: "add1 N", Doc: "N + 1", Min: 1, Max: 1, run: folding(1, addInt)},
		{Usage: "sub A B", Doc: "A - B", Min: 2, Max: 2, run: onInts(subInt)},
		{Usage: "mul N…", Doc: "the product", Min: 1, Max: anyNumber, run: folding(1, mulInt)},
		{Usage: "div A B", Doc: "A / B, without the rest", Min: 2, Max: 2, run: onInts(divInt)},
		{Usage: "mod A B", Doc: "the rest of A / B", Min: 2, Max: 2, run: onInts(modInt)},
		{Usage: "max N…", Min: 1, Max: anyNumber, run: choosing(func(a, b int64) bool { return a > b }),
			Doc: "the largest integer"},
		{Usage: "min N…", Min: 1, Max: anyNumber, run: choosing(func(a, b int64) bool { return a < b }),
			Doc: "the smallest integer"},
		{Usage: "int VALUE", Min: 1, Max: 1, run: runInt,
			Doc: "VALUE as an integer; 0 where it is none"},
		{Usage: "int64 VALUE", Doc: "the same as int", Min: 1, Max: 1, run: runInt},
		{Usage: "atoi STRING", Doc: "the same as int", Min: 1, Max: 1, run: runInt},
		{Usage: "toDecimal STRING", Min: 1, Max: 1, run: runToDecimal,
			Doc: "an octal number such as a file mode, as an integer"},
	})
}

func folding(start int64, op func(a, b int64) (int64, error)) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		result := start
		for i := range c.args {
			n, err := c.integer(i)
			if err != nil {
				return nil, err
			}
			if result, err = op(result, n); err != nil {
				return nil, c.errorf("%w", err)
			}
		}
		return result, nil
	}
}

func onInts(op func(a, b int64) (int64, error)) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		a, err := c.integer(0)
		if err != nil {
			return nil, err
		}
		b, err := c.integer(1)
		if err != nil {
			return nil, err
		}
		n, err := op(a, b)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		return n, nil
	}
}

func addInt(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return 0, errOverflow
	}
	return sum, nil
}

func subInt(a, b int64) (int64, error) {
	difference := a - b
	if (difference < a) != (b > 0) && b != 0 {
		return 0, errOverflow
	}
	return difference, nil
}

func mulInt(a, b int64) (int64, error) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	if hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative {
		return 0, errOverflow
	}
	return a * b, nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func divInt(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errDivisionByZero
	case a == math.MinInt64 && b == -1:
		return 0, errOverflow
	}
	return a / b, nil
}

func modInt(a, b int64) (int64, error) {
	switch b {
	case 0:
		return 0, errDivisionByZero
	case -1:
		return 0, nil
	}
	return a % b, nil
}

func choosing(better func(a, b int64) bool) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		best, err := c.integer(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var n int64
			if n, err = c.integer(i); err == nil && better(n, best) {
				best = n
			}
		}
		return best, err
	}
}

func runInt(c *Call) (any, error) {
	switch v := c.args[0].(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case map[string]any, []any:
		return nil, c.wrongType(0, "a number or text")
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := c.float(0)
	if err != nil || f >= math.MaxInt64 || f <= math.MinInt64 {
		if n, ok := c.args[0].(int64); ok {
			return n, nil
		}
		return int64(0), nil
	}
	if n, ok := c.args[0].(int64); ok {
		return n, nil
	}
	return int64(f), nil
}

func runToDecimal(c *Call) (any, error) {
	s, err := c.text(0)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(s, 8, 64)
	if err != nil {
		return nil, c.errorf("%q is not an octal number", s)
	}
	return n, nil
}
