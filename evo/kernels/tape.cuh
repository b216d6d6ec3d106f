/* One program on one warp: two points a lane, values and adjoints in shared memory.

   A slot is a row of 32 cells, one a lane: x, the constants, the values, then the adjoints of constants and
   values. No lane reads another one's cell, so rows need no synchronisation. An instruction is decoded once:
   its op with flags, and the first cell of each operand's row. */

enum { NEEDED = 1 << 8, FIRST = 1 << 12, LIVE = 1 << 16 }; /* flags; the first two by operand */

struct Tape {
    int n; /* instructions */
#ifdef UNKNOWNS
    static constexpr int k = UNKNOWNS; /* constants; a kernel for each number of them keeps more in registers */
#else
    int k;
#endif
    int lane;
    int adjoint; /* from a slot's cell to its adjoint's */
    int code;    /* cell of the first instruction */
    uint64_t used; /* constants that the result depends on */
};

DEVICE Pair &cell(const Tape &t, int row) { return cells[row * WARP + t.lane]; }
DEVICE Pair &constant(const Tape &t, int j) { return cell(t, 1 + j); }
DEVICE Pair &value(const Tape &t, int i) { return cell(t, 1 + t.k + i); }
DEVICE Pair &slope(const Tape &t, int j) { return cells[(1 + j) * WARP + t.lane + t.adjoint]; }
DEVICE Pair &adjoint(const Tape &t, int i) { return cells[(1 + t.k + i) * WARP + t.lane + t.adjoint]; }
DEVICE int4 &instruction(const Tape &t, int i) { return reinterpret_cast<int4 &>(cells[t.code + i]); }
DEVICE int rows_of(int n, int k) { return 1 + 2 * (n + k); }

DEVICE int arity(int op)
{
    switch (op) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: return ARITY_##code;
        OPS(ROW)
#undef ROW
    }
    return 0;
}

/* Reads a program of the batch; every lane gets the same tape but for its number. */
DEVICE Tape decode(const uint8_t *op, const uint8_t *arg, int n, int k, int code)
{
    Tape t;
#ifndef UNKNOWNS
    t.k = k;
#endif
    t.n = n;
    t.lane = lane_number();
    t.adjoint = (n + k) * WARP;
    t.code = code;
    t.used = 0;
    meet();
    for (int i = t.lane; i < n; i += WARP) {
        int at[3];
        for (int j = 0; j < 3; j++) {
            const int slot = arg[3 * i + j];
            at[j] = WARP * (slot < BATCH_VALUE ? slot : slot - BATCH_VALUE + 1 + k);
        }
        instruction(t, i) = int4{op[i], at[0], at[1], at[2]};
    }
    meet();
    uint64_t live = 1ull << (n - 1); /* also: values whose adjoint has been written */
    for (int i = n - 1; i >= 0; i--) {
        const int4 in = instruction(t, i);
        const int at[3] = {in.y / WARP, in.z / WARP, in.w / WARP}, code_of = in.x & 255;
        if (!(live >> i & 1)) continue;
        int flags = LIVE;
        for (int j = 0; j < arity(code_of); j++) {
            if (at[j] == 0) continue;
            const bool fixed = at[j] <= k;
            uint64_t &seen = fixed ? t.used : live;
            const uint64_t bit = 1ull << (fixed ? at[j] - 1 : at[j] - 1 - k);
            flags |= NEEDED << j;
            if (!(seen & bit)) flags |= FIRST << j;
            seen |= bit;
        }
        if (t.lane == 0) instruction(t, i).x = code_of | flags;
    }
    meet();
    return t;
}

/* Values of the first n instructions at this lane's points; T is double, or Real for fast divisions. */
template <typename T> DEVICE void forward(const Tape &t, int n)
{
#pragma unroll 1
    for (int i = 0; i < n; i++) {
        const int4 in = instruction(t, i);
        Pair &V = value(t, i);
        switch (in.x & 255) {
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: { \
        const Pair A = cells[in.y + t.lane], B = cells[in.z + t.lane], C = cells[in.w + t.lane]; \
        double first, second; \
        { const T a = A.x, b = B.x, c = C.x; (void)a, (void)b, (void)c; first = number(expression); } \
        { const T a = A.y, b = B.y, c = C.y; (void)a, (void)b, (void)c; second = number(expression); } \
        V = pair(first, second); \
        break; \
    }
            OPS(ROW)
#undef ROW
        }
    }
}

/* Adds to an operand's adjoint, or begins it. */
template <bool OPEN> DEVICE void give(int flags, int operand, Pair &to, double x, double y)
{
    if (!(flags & NEEDED << operand) && !OPEN) return;
    if (!OPEN && flags & FIRST << operand) to = pair(x, y);
    else to = pair(to.x + x, to.y + y);
}

/* Takes the adjoints of the first n values down to the constants. OPEN: all adjoints have been set before
   (reverse_open); otherwise only the last one, and every other one begins where it is first met. */
template <typename T, bool OPEN> DEVICE void reverse(const Tape &t, int n)
{
    if (!OPEN && t.used != (t.k ? ~0ull >> (64 - t.k) : 0))
        for (int j = 0; j < t.k; j++)
            if (!(t.used >> j & 1)) slope(t, j) = pair(0.0, 0.0);
#pragma unroll 1
    for (int i = n - 1; i >= 0; i--) {
        const int4 in = instruction(t, i);
        if (!OPEN && !(in.x & LIVE)) continue;
        const Pair G = adjoint(t, i);
        switch (in.x & 255) {
#define GIVE(operand, at, partial) \
    if (at && (OPEN || in.x & NEEDED << operand)) { \
        double first, second; \
        { const T a = A.x, b = B.x, c = C.x, v = V.x; (void)a, (void)b, (void)c, (void)v; \
          first = G.x * number(partial); } \
        { const T a = A.y, b = B.y, c = C.y, v = V.y; (void)a, (void)b, (void)c, (void)v; \
          second = G.y * number(partial); } \
        give<OPEN>(in.x, operand, cells[at + t.lane + t.adjoint], first, second); \
    }
#define ROW(code, name, expression, d0, d1, d2, field, f0, f1, f2) \
    case code: { \
        const Pair A = cells[in.y + t.lane], B = cells[in.z + t.lane], C = cells[in.w + t.lane]; \
        const Pair V = value(t, i); \
        (void)A, (void)B, (void)C, (void)V; \
        GIVE(0, in.y, d0) \
        if (ARITY_##code > 1) GIVE(1, in.z, d1) \
        if (ARITY_##code > 2) GIVE(2, in.w, d2) \
        break; \
    }
            OPS(ROW)
#undef ROW
#undef GIVE
        }
    }
}

/* All adjoints 0, of the first n values and the constants. */
DEVICE void reverse_open(const Tape &t, int n)
{
    for (int j = 0; j < t.k; j++) slope(t, j) = pair(0.0, 0.0);
    for (int i = 0; i < n; i++) adjoint(t, i) = pair(0.0, 0.0);
}
