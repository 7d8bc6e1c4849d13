import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exponentOf, extrapolated } from '../../../bench/lib/slope.ts';

test('a cost in proportion to the size has the slope 1, its square 2, and one that stays 0', () => {
  const sizes = [1, 4, 16];
  const slopeOf = (costOf: (size: number) => number) => exponentOf(sizes.map((size) => ({ size, cost: costOf(size) })));
  assert.ok(Math.abs(slopeOf((size) => 3 * size) - 1) < 1e-12);
  assert.ok(Math.abs(slopeOf((size) => size ** 2) - 2) < 1e-12);
  assert.ok(Math.abs(slopeOf(() => 7)) < 1e-12);
});

test('the slope of any power is its exponent, whatever the unit', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -3, max: 3, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
      fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 2, maxLength: 6 }),
      (exponent, factor, sizes) => {
        const points = sizes.map((size) => ({ size, cost: factor * size ** exponent }));
        assert.ok(Math.abs(exponentOf(points) - exponent) < 1e-6);
      },
    ),
  );
});

test('what starts at a fixed cost has a slope below 1, the nearer the larger the sizes', () => {
  const slopeFrom = (unit: number) => exponentOf([1, 4, 16].map((n) => ({ size: n * unit, cost: 10 + n * unit })));
  assert.ok(slopeFrom(1) < slopeFrom(100));
  assert.ok(slopeFrom(100) < 1);
});

test('one size, and a cost of nothing, have no slope', () => {
  assert.ok(Number.isNaN(exponentOf([])));
  assert.ok(Number.isNaN(exponentOf([{ size: 4, cost: 1 }])));
  assert.ok(
    Number.isNaN(
      exponentOf([
        { size: 1, cost: 0 },
        { size: 4, cost: 1 },
      ]),
    ),
  );
});

test('a size beyond those measured goes on as between the two largest, in whatever order they come', () => {
  const points = [
    { size: 4, cost: 12 },
    { size: 1, cost: 50 },
    { size: 2, cost: 8 },
  ];
  assert.equal(extrapolated(points, 16), 36);
  assert.ok(Number.isNaN(extrapolated(points.slice(0, 1), 16)));
});
