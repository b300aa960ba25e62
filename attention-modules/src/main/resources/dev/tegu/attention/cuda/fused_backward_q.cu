// The fused attention kernels, part 5 of 6: backward, what goes forward in time. See docs/kernels.md.
//
// The gradients of queries, of the mix and of the sinks. They need the state before each tile, which is made again.
// For each tile: the window's sums, the linear branch with its gradient, then the window's gradient, which a shared
// denominator lets depend on the linear branch's sums.

struct QueriesShared {
  elem dy[C * WIDE_D];
  float sums[THREADS / 32];
  union {
    struct {
      elem q[C * WIDE_D];
      elem k[C * WIDE_D];
      elem v[C * WIDE_D];
    } window;
    struct {
      elem q[C * WIDE_F];
      LinearTile tile;
    } linear;
  };
};
static_assert(sizeof(QueriesShared) <= SHARED_BYTES, "shared memory");

#if WINDOW > 0
// One tile of keys: the window's weights, not divided, and dy.v, for the warp's rows.
__device__ __forceinline__ void window_tile(
    QueriesShared &s, const elem *k, const elem *v, const float (&top)[2], int tile, int at, int T,
    float (&weight)[C / 8][4], float (&dot)[C / 8][4]) {
  const float scale = rsqrtf((float)D) * LOG2_E;
  __syncthreads();
  load_tile(s.window.k, k, at * C, T);
  load_tile(s.window.v, v, at * C, T);
  __syncthreads();
  clear(weight);
  clear(dot);
  add_rows_by_rows<C, D, WIDE_D>(weight, s.window.q + warp() * 16 * WIDE_D, s.window.k);
  add_rows_by_rows<C, D, WIDE_D>(dot, s.dy + warp() * 16 * WIDE_D, s.window.v);
#pragma unroll
  for (int n = 0; n < C / 8; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int distance = (tile - at) * C + warp() * 16 + group() + e / 2 * 8 - n * 8 - place() * 2 - e % 2;
      float x = exp2_of(weight[n][e] * scale - top[e / 2]);
      weight[n][e] = in_window(distance) ? x : 0.0f;
    }
  }
}
#endif

#if LINEAR
// Of the warp's rows: far, dy times the state [16, F], and dots, dy.v [16, 64]. Where the branch is normalised also
// the branch's part of dy.y and its denominator, of the lane's two rows, not divided: from these rather than from y,
// which is rounded, since dy.v - dy.y is a small difference where one key has nearly all the weight.
__device__ __forceinline__ void linear_dots(
    const QueriesShared &s, float (&far)[F / 8][4], float (&dots)[C / 8][4], float (&dot)[2], float (&den)[2]) {
  const elem *dy = s.dy + warp() * 16 * WIDE_D;
  clear(dots);
  add_rows_by_rows<C, D, WIDE_D>(dots, dy, s.linear.tile.v);
#if NORMALIZED
  const elem *q = s.linear.q + warp() * 16 * WIDE_F;
  float near_dot[2] = {0.0f, 0.0f};
  float near_den[2] = {0.0f, 0.0f};
  float weights[C / 8][4];
  clear(weights);
  add_rows_by_rows<C, F, WIDE_F>(weights, q, s.linear.tile.k);
#pragma unroll
  for (int n = 0; n < C / 8; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = warp() * 16 + group() + e / 2 * 8;
      float x = weights[n][e] * decay(s.linear.tile.gates, row, n * 8 + place() * 2 + e % 2);
      near_dot[e / 2] += x * dots[n][e];
      near_den[e / 2] += x;
    }
  }
#endif
  clear(far);
  add_rows_by_rows<F, D, WIDE_D>(far, dy, s.linear.tile.state);
#if NORMALIZED
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int row = group() + half * 8;
    float far_dot = 0.0f;
    float far_den = 0.0f;
#pragma unroll
    for (int n = 0; n < F / 8; n++) {
      int f = n * 8 + place() * 2;
      float2 pair = unpack(*(const unsigned *)(q + row * WIDE_F + f));
      far_dot += pair.x * far[n][half * 2] + pair.y * far[n][half * 2 + 1];
      far_den += pair.x * s.linear.tile.key_sum[f] + pair.y * s.linear.tile.key_sum[f + 1];
    }
    float lived = 1.0f;
#if GATED
    lived = exp2_of(s.linear.tile.gates[warp() * 16 + row]);
#endif
    dot[half] = row_sum(near_dot[half] + far_dot * lived);
    den[half] = row_sum(near_den[half] + far_den * lived);
  }
#endif
}
#endif

// The sum of one number a thread over the block, in every thread.
__device__ __forceinline__ float block_sum(float *sums, float x) {
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    x += from_lane(x, distance);
  }
  __syncthreads();
  if (lane() == 0) {
    sums[warp()] = x;
  }
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < THREADS / 32; w++) {
    sum += sums[w];
  }
  return sum;
}

// Of the outputs y none is read: what the gradient asks of it is summed again.
extern "C" __global__ void __launch_bounds__(THREADS, 2) fused_backward_q(
    const float *zq, const float *zk, const elem *qw, const elem *kw, const elem *v, const float *g, const float *mix,
    const float *sinks, const elem *, const Saved *saved, const elem *dy, Rows *rows, float *dzq, elem *dqw,
    float *dmix, float *dsinks, int B, int H, int K, int T) {
  extern __shared__ uint4 memory[];
  QueriesShared &s = *(QueriesShared *)memory;
  const int h = blockIdx.x % H;
  const long long head = blockIdx.x;
  const long long kv_head = blockIdx.x / H * K + h / (H / K);
  zq += head * T * D;
  zk += head * T * D;
  qw += head * T * D;
  kw += kv_head * T * D;
  v += kv_head * T * D;
  g += head * T;
  sinks += h * SINKS;
  saved += head * T;
  dy += head * T * D;
  rows += head * T;
  dzq += head * T * D;
  dqw += head * T * D;
  [[maybe_unused]] const float weight = WINDOW > 0 && (LINEAR || COMBINE == 1) ? mix[h] : 1.0f;
#if LINEAR
  const float far_weight = SHARED && AFFINE ? 1.0f - weight : 1.0f;
  State state;
  clear(state);
  float key_sum = 0.0f;
#endif
#if WINDOW > 0
  float mix_sum = 0.0f;
#endif
#if SINKS > 0
  float sink_sums[SINKS] = {};
#endif
  for (int tile = 0; tile * C < T; tile++) {
    prefetch_tile(v, D, (tile + 1) * C, T);
    prefetch_tile(dy, D, (tile + 1) * C, T);
#if WINDOW > 0
    prefetch_tile(qw, D, (tile + 1) * C, T);
    prefetch_tile(kw, D, (tile + 1) * C, T);
#endif
#if LINEAR
    prefetch_tile(zq, D, (tile + 1) * C, T);
    prefetch_tile(zk, D, (tile + 1) * C - SHIFT, T);
#endif
    Saved row[2];
    Rows made[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int t = tile * C + warp() * 16 + group() + half * 8;
      row[half] = t < T ? saved[t] : Saved{0.0f, 0.0f, 0.0f, 0.0f};
      made[half] = Rows{0.0f, 0.0f, 0.0f, 0.0f};
    }
    __syncthreads();
    load_tile(s.dy, dy, tile * C, T);

#if WINDOW > 0
    load_tile(s.window.q, qw, tile * C, T);
    float top[2] = {row[0].top, row[1].top};
    float weights[C / 8][4];
    float dots[C / 8][4];
    float sums[2] = {0.0f, 0.0f};   // of weights times dy.v
    float total[2] = {0.0f, 0.0f};  // of weights
    for (int at = tile; at >= 0 && tile * C - (at * C + C - 1) < WINDOW; at--) {
      window_tile(s, kw, v, top, tile, at, T, weights, dots);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          sums[e / 2] += weights[n][e] * dots[n][e];
          total[e / 2] += weights[n][e];
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      sums[half] = row_sum(sums[half]);
      total[half] = row_sum(total[half]);
#pragma unroll
      for (int i = 0; i < SINKS; i++) {
        total[half] += exp2_of(sinks[i] * LOG2_E - row[half].top);
      }
    }
#endif

#if LINEAR
    Projected query_z;
    read_projected(query_z, zq, tile * C, T);
    __syncthreads();
    load_linear_tile(s.linear.tile, zk, v, g, tile, T, state, key_sum);
    store_features(s.linear.q, query_z, tile * C, T);
    __syncthreads();
    float query_far[F / 8][4];  // gradient of the features
    float weights_far[C / 8][4];
    float far_dot[2] = {0.0f, 0.0f};
    float far_den[2] = {0.0f, 0.0f};
    linear_dots(s, query_far, weights_far, far_dot, far_den);
#endif

#pragma unroll
    for (int half = 0; half < 2; half++) {
#if SHARED
      // the largest score is subtracted from the window's alone: its gradient, and with it the mix's, is that of
      // making the window's weights larger
      float larger = (sums[half] * far_den[half] - far_dot[half] * total[half]) * row[half].near;
      made[half].near = weight * row[half].near * sums[half] + far_weight * row[half].far * far_dot[half];
      made[half].far = made[half].near;
      made[half].top = -weight * row[half].near * far_weight * larger;
      mix_sum += place() == 0 ? larger * row[half].near : 0.0f;
#else
#if WINDOW > 0
      made[half].near = sums[half] * row[half].near;
      if (COMBINE == 1) {
        mix_sum += place() == 0 ? made[half].near : 0.0f;
      }
#endif
#if LINEAR
      made[half].far = far_dot[half] * row[half].far;
#endif
#endif
#if SINKS > 0
#pragma unroll
      for (int i = 0; i < SINKS; i++) {
        float x = exp2_of(sinks[i] * LOG2_E - row[half].top);
        x *= -weight * row[half].near * made[half].near;
        x += SHARED && row[half].nearest == FIRST_SINK - i ? made[half].top : 0.0f;
        sink_sums[i] += place() == 0 ? x : 0.0f;
      }
#endif
    }

#if LINEAR
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int in_tile = warp() * 16 + group() + half * 8;
      float scale = far_weight * row[half].far;
      float lived = scale;
#if GATED
      lived *= exp2_of(s.linear.tile.gates[in_tile]);
#endif
#pragma unroll
      for (int e = half * 2; e < half * 2 + 2; e++) {
#pragma unroll
        for (int n = 0; n < F / 8; n++) {
          query_far[n][e] -= made[half].far * s.linear.tile.key_sum[n * 8 + place() * 2 + e % 2];
          query_far[n][e] *= lived;
        }
#pragma unroll
        for (int n = 0; n < C / 8; n++) {
          float x = (weights_far[n][e] - made[half].far) * scale;
          weights_far[n][e] = x * decay(s.linear.tile.gates, in_tile, n * 8 + place() * 2 + e % 2);
        }
      }
    }
    add_weighted<F, WIDE_F>(query_far, weights_far, s.linear.tile.k);
    float dot[2];
    features_backward(dzq, s.linear.q + warp() * 16 * WIDE_F, query_far, tile * C, T, dot);
    made[0].gate = dot[0];
    made[1].gate = dot[1];

    add_linear_tile(s.linear.tile, state, key_sum);
#endif

#if WINDOW > 0 && INPUT_GRADS
    __syncthreads();
    load_tile(s.window.q, qw, tile * C, T);
    float query[D / 8][4];
    clear(query);
    for (int at = tile; at >= 0 && tile * C - (at * C + C - 1) < WINDOW; at--) {
      window_tile(s, kw, v, top, tile, at, T, weights, dots);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          float x = weight * row[e / 2].near * weights[n][e] * (dots[n][e] - made[e / 2].near);
#if SHARED
          int distance = (tile - at) * C + warp() * 16 + group() + e / 2 * 8 - n * 8 - place() * 2 - e % 2;
          x += row[e / 2].nearest == (float)distance ? made[e / 2].top : 0.0f;
#endif
          weights[n][e] = x;
        }
      }
      add_weighted<D, WIDE_D>(query, weights, s.window.k);
    }
    store_rows(dqw, query, rsqrtf((float)D), tile * C, T);
#endif

#pragma unroll
    for (int half = 0; half < 2; half++) {
      int t = tile * C + warp() * 16 + group() + half * 8;
      if (place() == 0 && t < T) {
        rows[t] = made[half];
      }
    }
  }

#if WINDOW > 0
  mix_sum = block_sum(s.sums, mix_sum);
  if (threadIdx.x == 0) {
    dmix[head] = mix_sum;
  }
#endif
#if SINKS > 0
#pragma unroll
  for (int i = 0; i < SINKS; i++) {
    float sum = block_sum(s.sums, sink_sums[i]);
    if (threadIdx.x == 0) {
      dsinks[head * SINKS + i] = sum;
    }
  }
#endif
}
