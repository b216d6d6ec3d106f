/* Linear least squares of evo/kernels/solve.h over the lanes of a warp: modified Gram-Schmidt, R that of unit
   columns, reflections for the damping. The number of unknowns is known when it is compiled, so that everything
   stays in registers. */

enum {
    K = UNKNOWNS,
    FACTOR = K * (K + 1) / 2 + 2 * K, /* numbers of a factor that is kept */
    GROUP = K <= 4 ? 4 : K <= 8 ? 8 : K <= 16 ? 16 : 32 /* lanes of a start: two each of 2 K points, rounded up to 8 */
};

struct Factor {
    double r[K][K], b[K], scale[K];
};

/* Column J and those after it; at first the norms of all columns too, in one exchange. */
template <int L, int J> DEVICE void eliminate(Pair (&a)[K + 1], Factor &f)
{
    if constexpr (J < K) {
        constexpr int norms = J ? 0 : K - 1;
        double d[K + 1 - J + norms];
#pragma unroll
        for (int i = J; i <= K; i++) d[i - J] = dot(a[J], a[i]);
#pragma unroll
        for (int i = 1; i <= norms; i++) d[K + i] = dot(a[i], a[i]);
        sums<K + 1 - J + norms, L>(d);
        if constexpr (J == 0) {
#pragma unroll
            for (int i = 0; i < K; i++) {
                const double square = i ? d[K + i] : d[0];
                const bool usable = square > LEAST_SQUARE && square < MOST_SQUARE;
                f.scale[i] = usable ? inverse_root(square) : 0.0;
                if (!usable) a[i] = pair(0.0, 0.0), d[i] = 0.0;
            }
        }
        const bool dependent = !(d[0] * f.scale[J] * f.scale[J] > DEPENDENT_SQUARE);
        const double inverse = dependent ? 0.0 : inverse_root(d[0]);
        const Pair q = pair(a[J].x * inverse, a[J].y * inverse);
        f.r[J][J] = dependent ? 1.0 : d[0] * inverse * f.scale[J];
        if (dependent) f.scale[J] = 0.0;
#pragma unroll
        for (int i = J + 1; i <= K; i++) {
            const double part = dependent ? 0.0 : d[i - J] * inverse;
            if (i < K) f.r[J][i] = part * f.scale[i];
            else f.b[J] = part;
            a[i] = pair(fma(-part, q.x, a[i].x), fma(-part, q.y, a[i].y));
        }
        eliminate<L, J + 1>(a, f);
    }
}

/* Columns and, last, the right-hand side: a lane's two points of each; over groups of L lanes. */
template <int L> DEVICE void factorise(Pair (&a)[K + 1], Factor &f) { eliminate<L, 0>(a, f); }

/* `inverse`: of R's diagonal. */
DEVICE void substitute(const Factor &f, const double (&inverse)[K], double (&step)[K])
{
#pragma unroll
    for (int i = K - 1; i >= 0; i--) {
        double s = -f.b[i];
#pragma unroll
        for (int j = i + 1; j < K; j++) s = fma(-f.r[i][j], step[j], s);
        step[i] = s * inverse[i];
    }
#pragma unroll
    for (int i = 0; i < K; i++) step[i] *= f.scale[i];
}

/* Takes sqrt(damping) times the identity into R by a reflection for each column, which has fewer roots one
   after the other than rotations; `inverse` becomes that of the diagonal. */
DEVICE void damp(Factor &f, double damping, double (&inverse)[K])
{
    double row[K][K], below[K]; /* what has become of the identity's rows, and of the zeros beside them */
    const double root = damping * inverse_root(damping);
#pragma unroll
    for (int i = 0; i < K; i++) {
        row[i][i] = root;
        below[i] = 0.0;
#pragma unroll
        for (int m = i + 1; m < K; m++) row[i][m] = 0.0;
        double square = f.r[i][i] * f.r[i][i];
#pragma unroll
        for (int j = 0; j <= i; j++) square = fma(row[j][i], row[j][i], square);
        const double shrink = inverse_root(square), length = square * shrink, head = f.r[i][i] + length;
        const double beta = shrink * reciprocal(head);
        inverse[i] = -shrink;
#pragma unroll
        for (int m = i + 1; m <= K; m++) {
            double s = head * (m < K ? f.r[i][m] : f.b[i]);
#pragma unroll
            for (int j = 0; j <= i; j++) s = fma(row[j][i], m < K ? row[j][m] : below[j], s);
            s *= beta;
            if (m < K) f.r[i][m] = fma(-s, head, f.r[i][m]);
            else f.b[i] = fma(-s, head, f.b[i]);
#pragma unroll
            for (int j = 0; j <= i; j++) {
                if (m < K) row[j][m] = fma(-s, row[j][i], row[j][m]);
                else below[j] = fma(-s, row[j][i], below[j]);
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
    double step[K], inverse[K];
    Factor f;
    recall(kept, f);
    damp(f, damping, inverse);
    substitute(f, inverse, step);
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
    double step[K], inverse[K];
    Factor f;
    columns(t, active, residual, a);
    factorise<GROUP>(a, f);
#pragma unroll
    for (int j = 0; j < K; j++) inverse[j] = reciprocal(f.r[j][j]);
    substitute(f, inverse, step);
#pragma unroll
    for (int j = 0; j < K; j++) {
        const double c = constant(t, j).x + step[j];
        if (running) constant(t, j) = pair(c, c);
    }
}
