package function

import (
	"math"
	"math/big"
	"strconv"
)

// decimalFunctions are arithmetic on decimals, exact before the result becomes a float.
func decimalFunctions() []Function {
	return sprigGroup("numbers", []Function{
		{Usage: "addf X…", Min: 1, Max: anyNumber, run: decimals((*big.Rat).Add),
			Doc: "the sum of decimals"},
		{Usage: "add1f X", Doc: "X + 1.0", Min: 1, Max: 1, run: runAdd1f},
		{Usage: "subf X…", Min: 1, Max: anyNumber, run: decimals((*big.Rat).Sub),
			Doc: "the first less the others"},
		{Usage: "mulf X…", Min: 1, Max: anyNumber, run: decimals((*big.Rat).Mul),
			Doc: "the product of decimals"},
		{Usage: "divf X…", Min: 1, Max: anyNumber, run: runDivf,
			Doc: "the first divided by the others"},
		{Usage: "maxf X…", Doc: "the largest number", Min: 1, Max: anyNumber, run: folding2(math.Max)},
		{Usage: "minf X…", Min: 1, Max: anyNumber, run: folding2(math.Min),
			Doc: "the smallest number"},
		{Usage: "floor X", Doc: "rounded down", Min: 1, Max: 1, run: rounding(math.Floor)},
		{Usage: "ceil X", Doc: "rounded up", Min: 1, Max: 1, run: rounding(math.Ceil)},
		{Usage: "round X PLACES", Min: 2, Max: 2, run: runRound,
			Doc: "rounded to PLACES after the point, half away from zero"},
		{Usage: "float64 VALUE", Min: 1, Max: 1, run: runFloat,
			Doc: "VALUE as a float; 0.0 where it is none"},
	})
}

func folding2(op func(a, b float64) float64) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		best, err := c.float(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var x float64
			if x, err = c.float(i); err == nil {
				best = op(best, x)
			}
		}
		return c.finite(best, err)
	}
}

// rat reads a decimal exactly as it is written, so that 0.1 + 0.2 is 0.3.
func (c *Call) rat(i int) (*big.Rat, error) {
	f, err := c.float(i)
	if err != nil {
		return nil, err
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return nil, c.wrongType(i, "a number")
	}
	return r, c.Budget.Spend(20)
}

func decimals(op func(z, a, b *big.Rat) *big.Rat) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		result, err := c.rat(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var next *big.Rat
			if next, err = c.rat(i); err == nil {
				op(result, result, next)
				result, err = c.nearest(result)
			}
		}
		if err != nil {
			return nil, err
		}
		f, _ := result.Float64()
		return c.finite(f, nil)
	}
}

// nearest keeps the terms of an intermediate result as small as a float's.
func (c *Call) nearest(r *big.Rat) (*big.Rat, error) {
	if r.Num().BitLen()+r.Denom().BitLen() < 4096 {
		return r, nil
	}
	return nil, c.errorf("%w", errOverflow)
}

func runAdd1f(c *Call) (any, error) {
	c.args = append(c.args, int64(1))
	return decimals((*big.Rat).Add)(c)
}

func runDivf(c *Call) (any, error) {
	for i := 1; i < len(c.args); i++ {
		if x, err := c.float(i); err != nil || x == 0 {
			return nil, firstError(err, c.errorf("%w", errDivisionByZero))
		}
	}
	return decimals((*big.Rat).Quo)(c)
}

// finite is the result of arithmetic: an integral number is an integer, so that it prints, and fits into a
// manifest, as one.
func (c *Call) finite(f float64, err error) (any, error) {
	const exact = 1 << 53
	switch {
	case err != nil:
		return nil, err
	case math.IsInf(f, 0) || math.IsNaN(f):
		return nil, c.errorf("%w", errOverflow)
	case f == math.Trunc(f) && math.Abs(f) <= exact:
		return int64(f), nil
	default:
		return f, nil
	}
}

func rounding(op func(float64) float64) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		x, err := c.float(0)
		return c.finite(op(x), err)
	}
}

func runRound(c *Call) (any, error) {
	x, err := c.float(0)
	if err != nil {
		return nil, err
	}
	places, err := c.integer(1)
	if err != nil {
		return nil, err
	}
	if places < 0 || places > 15 {
		return nil, c.errorf("places must be between 0 and 15")
	}
	power, err := strconv.ParseFloat("1e"+strconv.FormatInt(places, 10),
		64) // math.Pow is not the same on every processor
	rounded := math.Round(x*power) / power
	if math.Abs(x) >= 1<<52 {
		rounded = x // there is nothing after its point
	}
	return c.finite(rounded, err)
}

func runFloat(c *Call) (any, error) {
	f, err := c.float(0)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0.0, nil
	}
	return f, nil
}
