/* Linear least squares of evo/native/solve.h over the lanes of a warp: modified Gram-Schmidt on unit columns,
   Givens rotations for the damping. The number of unknowns is known when it is compiled, so that everything
   stays in registers. */

#define DEPENDENT 1e-28 /* square of solve.h's */
enum {
    K = UNKNOWNS,
    FACTOR = K * (K + 1) / 2 + 2 * K, /* numbers of a factor that is kept */
    GROUP = K <= 4 ? 4 : K <= 8 ? 8 : K <= 16 ? 16 : 32 /* lanes of a start: two each of 2 K points, rounded up to 8 */
};

struct Factor {
    double r[K][K], b[K], scale[K];
};

template <int L, int J> DEVICE void eliminate(Pair (&a)[K + 1], Factor &f)
{
    if constexpr (J < K) {
        double d[K + 1 - J];
#pragma unroll
        for (int i = J; i <= K; i++) d[i - J] = dot(a[J], a[i]);
        sums<K + 1 - J, L>(d);
        const bool dependent = !(d[0] > DEPENDENT);
        const double inverse = dependent ? 0.0 : inverse_root(d[0]);
        const Pair q = pair(a[J].x * inverse, a[J].y * inverse);
        f.r[J][J] = dependent ? 1.0 : d[0] * inverse;
        if (dependent) f.scale[J] = 0.0;
#pragma unroll
        for (int i = J + 1; i <= K; i++) {
            const double part = d[i - J] * inverse;
            if (i < K) f.r[J][i] = part;
            else f.b[J] = part;
            a[i] = pair(fma(-part, q.x, a[i].x), fma(-part, q.y, a[i].y));
        }
        eliminate<L, J + 1>(a, f);
    }
}

/* Columns and, last, the right-hand side: a lane's two points of each; over groups of L lanes. */
template <int L> DEVICE void factorise(Pair (&a)[K + 1], Factor &f)
{
    double squares[K];
#pragma unroll
    for (int j = 0; j < K; j++) squares[j] = dot(a[j], a[j]);
    sums<K, L>(squares);
#pragma unroll
    for (int j = 0; j < K; j++) {
        const bool usable = squares[j] > 1e-300 && squares[j] < 1e300;
        f.scale[j] = usable ? inverse_root(squares[j]) : 0.0;
        a[j] = usable ? pair(a[j].x * f.scale[j], a[j].y * f.scale[j]) : pair(0.0, 0.0);
    }
    eliminate<L, 0>(a, f);
}

DEVICE void substitute(const Factor &f, double (&step)[K])
{
#pragma unroll
    for (int i = K - 1; i >= 0; i--) {
        double s = -f.b[i];
#pragma unroll
        for (int j = i + 1; j < K; j++) s = fma(-f.r[i][j], step[j], s);
        step[i] = s * reciprocal(f.r[i][i]);
    }
#pragma unroll
    for (int i = 0; i < K; i++) step[i] *= f.scale[i];
}

/* Takes sqrt(damping) times the identity into R. */
DEVICE void damp(Factor &f, double damping)
{
    const double root = damping * inverse_root(damping);
#pragma unroll
    for (int j = 0; j < K; j++) {
        double row[K], below = 0.0;
#pragma unroll
        for (int i = j; i < K; i++) row[i] = i == j ? root : 0.0;
#pragma unroll
        for (int i = j; i < K; i++) {
            const double square = fma(row[i], row[i], f.r[i][i] * f.r[i][i]), inverse = inverse_root(square);
            const double c = f.r[i][i] * inverse, s = row[i] * inverse, above = f.b[i];
            f.r[i][i] = square * inverse;
            f.b[i] = fma(c, above, s * below);
            below = fma(c, below, -s * above);
#pragma unroll
            for (int m = i + 1; m < K; m++) {
                const double a = f.r[i][m];
                f.r[i][m] = fma(c, a, s * row[m]);
                row[m] = fma(c, row[m], -s * a);
            }
        }
    }
}

DEVICE void keep(const Factor &f, double *to)
{
    int at = 0;
#pragma unroll
    for (int i = 0; i < K; i++)
#pragma unroll
        for (int j = i; j < K; j++) to[at++] = f.r[i][j];
#pragma unroll
    for (int i = 0; i < K; i++) to[at++] = f.b[i];
#pragma unroll
    for (int i = 0; i < K; i++) to[at++] = f.scale[i];
}

DEVICE void recall(const double *from, Factor &f)
{
    int at = 0;
#pragma unroll
    for (int i = 0; i < K; i++)
#pragma unroll
        for (int j = i; j < K; j++) f.r[i][j] = from[at++];
#pragma unroll
    for (int i = 0; i < K; i++) f.b[i] = from[at++];
#pragma unroll
    for (int i = 0; i < K; i++) f.scale[i] = from[at++];
}

/* The columns as reverse() left them, and the residual. */
DEVICE void columns(const Tape &t, bool active, Pair residual, Pair (&a)[K + 1])
{
#pragma unroll
    for (int j = 0; j < K; j++) a[j] = active ? slope(t, j) : pair(0.0, 0.0);
    a[K] = active ? residual : pair(0.0, 0.0);
}

DEVICE void factorise_columns(const Tape &t, bool active, Pair residual, double *kept)
{
    Pair a[K + 1];
    Factor f;
    columns(t, active, residual, a);
    factorise<WARP>(a, f);
    meet();
    if (t.lane == 0) keep(f, kept);
    meet();
}

/* trial = current + damped step, into the rows of the constants too. */
DEVICE void damped_step(const Tape &t, const double *kept, double damping, const double *current,
                        double *trial)
{
    double step[K];
    Factor f;
    recall(kept, f);
    damp(f, damping);
    substitute(f, step);
#pragma unroll
    for (int j = 0; j < K; j++) {
        const double c = current[j] + step[j];
        if (t.lane == 0) trial[j] = c;
        constant(t, j) = pair(c, c);
    }
    meet();
}

/* A full step in every group, from the columns in the rows; groups that are done stay where they are. */
DEVICE void full_step(const Tape &t, bool active, bool running, Pair residual)
{
    Pair a[K + 1];
    double step[K];
    Factor f;
    columns(t, active, residual, a);
    factorise<GROUP>(a, f);
    substitute(f, step);
#pragma unroll
    for (int j = 0; j < K; j++) {
        const double c = constant(t, j).x + step[j];
        if (running) constant(t, j) = pair(c, c);
    }
}
