// The fused attention kernels, part 4 of 6: the forward pass. See docs/kernels.md.

struct ForwardShared {
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
static_assert(sizeof(ForwardShared) <= SHARED_BYTES, "shared memory");

#if WINDOW > 0
// The window's softmax over tiles of keys, newest first, so that every query has seen a key when the largest score
// is first used. num [16, D] of the warp's rows, not divided; den and top of the lane's two rows.
__device__ __forceinline__ void window_forward(
    ForwardShared &s, const elem *k, const elem *v, const float *sinks, int tile, int T, float (&num)[D / 8][4],
    float (&den)[2], float (&top)[2], float (&nearest)[2]) {
  const float scale = rsqrtf((float)D) * LOG2_E;
  clear(num);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    den[half] = 0.0f;
    top[half] = FLOAT_MIN;
    nearest[half] = 0.0f;
#pragma unroll
    for (int i = 0; i < SINKS; i++) {
      if (sinks[i] * LOG2_E > top[half]) {
        top[half] = sinks[i] * LOG2_E;
        nearest[half] = FIRST_SINK - i;
      }
    }
  }
  for (int at = tile; at >= 0 && tile * C - (at * C + C - 1) < WINDOW; at--) {
    __syncthreads();
    load_tile(s.window.k, k, at * C, T);
    load_tile(s.window.v, v, at * C, T);
    __syncthreads();
    float score[C / 8][4];
    clear(score);
    add_rows_by_rows<C, D, WIDE_D>(score, s.window.q + warp() * 16 * WIDE_D, s.window.k);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      // distance of the lane's first key
      int first = (tile - at) * C + warp() * 16 + group() + half * 8 - place() * 2;
      float best = FLOAT_MIN;
      float best_distance = 0.0f;
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          int distance = first - n * 8 - e;
          float x = score[n][half * 2 + e] * scale;
          x = in_window(distance) ? x : FLOAT_MIN;
          score[n][half * 2 + e] = x;
          if (x > best) {
            best = x;
            best_distance = (float)distance;
          }
        }
      }
#pragma unroll
      for (int other = 1; other < 4; other *= 2) {
        float x = from_lane(best, other);
        float x_distance = SHARED ? from_lane(best_distance, other) : 0.0f;
        // of equal ones the nearest, so that the four lanes agree
        if (x > best || (x == best && x_distance < best_distance)) {
          best = x;
          best_distance = x_distance;
        }
      }
      if (best > top[half]) {
        float less = exp2_of(top[half] - best);
        top[half] = best;
        nearest[half] = best_distance;
        den[half] *= less;
#pragma unroll
        for (int n = 0; n < D / 8; n++) {
          num[n][half * 2] *= less;
          num[n][half * 2 + 1] *= less;
        }
      }
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          // what is not seen is 2^-1e30 = 0
          float x = exp2_of(score[n][half * 2 + e] - top[half]);
          score[n][half * 2 + e] = x;
          den[half] += x;
        }
      }
    }
    add_weighted<D, WIDE_D>(num, score, s.window.v);
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    den[half] = row_sum(den[half]);
#pragma unroll
    for (int i = 0; i < SINKS; i++) {
      den[half] += exp2_of(sinks[i] * LOG2_E - top[half]);
    }
  }
}
#endif

#if LINEAR
// The linear branch: num [16, D] of a warp's rows and den of the lane's two, not divided; q: the features of the
// warp's queries.
__device__ __forceinline__ void linear_rows(
    const LinearTile &s, const elem *q, float (&num)[D / 8][4], float (&den)[2]) {
  clear(num);
  add_rows<D, F, WIDE_F, WIDE_D>(num, q, s.state);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int row = group() + half * 8;
    den[half] = 0.0f;
#pragma unroll
    for (int f = 0; f < F; f += 8) {
      float2 pair = unpack(*(const unsigned *)(q + row * WIDE_F + f + place() * 2));
      den[half] += pair.x * s.key_sum[f + place() * 2] + pair.y * s.key_sum[f + place() * 2 + 1];
    }
#if GATED
    float lived = exp2_of(s.gates[warp() * 16 + row]);
    den[half] *= lived;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      num[n][half * 2] *= lived;
      num[n][half * 2 + 1] *= lived;
    }
#endif
  }
  float weights[C / 8][4];
  clear(weights);
  add_rows_by_rows<C, F, WIDE_F>(weights, q, s.k);
#pragma unroll
  for (int n = 0; n < C / 8; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = warp() * 16 + group() + e / 2 * 8;
      weights[n][e] *= decay(s.gates, row, n * 8 + place() * 2 + e % 2);
      den[e / 2] += weights[n][e];
    }
  }
  add_weighted<D, WIDE_D>(num, weights, s.v);
  den[0] = row_sum(den[0]);
  den[1] = row_sum(den[1]);
}
#endif

// y [B, H, T, D]: both branches and what combines them. The arguments of all kernels are in docs/kernels.md.
extern "C" __global__ void __launch_bounds__(THREADS, 2) fused_forward(
    const float *zq, const float *zk, const elem *qw, const elem *kw, const elem *v, const float *g, const float *mix,
    const float *sinks, elem *y, Saved *saved, int B, int H, int K, int T) {
  extern __shared__ uint4 memory[];
  ForwardShared &s = *(ForwardShared *)memory;
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
  y += head * T * D;
  saved += head * T;
  const float weight = WINDOW > 0 && (LINEAR || COMBINE == 1) ? mix[h] : 1.0f;

#if LINEAR
  State state;
  clear(state);
  float key_sum = 0.0f;
#endif
  for (int tile = 0; tile * C < T; tile++) {
    prefetch_tile(v, D, (tile + 1) * C, T);
#if WINDOW > 0
    prefetch_tile(qw, D, (tile + 1) * C, T);
    prefetch_tile(kw, D, (tile + 1) * C, T);
#endif
#if LINEAR
    prefetch_tile(zq, D, (tile + 1) * C, T);
    prefetch_tile(zk, D, (tile + 1) * C - SHIFT, T);
#endif
    float near[D / 8][4];
    float near_den[2] = {0.0f, 0.0f};
    float top[2] = {0.0f, 0.0f};
    float nearest[2] = {0.0f, 0.0f};
    clear(near);
#if WINDOW > 0
    __syncthreads();
    load_tile(s.window.q, qw, tile * C, T);
    window_forward(s, kw, v, sinks, tile, T, near, near_den, top, nearest);
#endif
    float far[D / 8][4];
    float far_den[2] = {0.0f, 0.0f};
    clear(far);
#if LINEAR
    Projected query;
    read_projected(query, zq, tile * C, T);
    __syncthreads();
    load_linear_tile(s.linear.tile, zk, v, g, tile, T, state, key_sum);
    store_features(s.linear.q, query, tile * C, T);
    __syncthreads();
    linear_rows(s.linear.tile, s.linear.q + warp() * 16 * WIDE_F, far, far_den);
    add_linear_tile(s.linear.tile, state, key_sum);
#endif

#pragma unroll
    for (int half = 0; half < 2; half++) {
      Saved row = {top[half], SHARED ? nearest[half] : 0.0f, 0.0f, 0.0f};
#if SHARED
      float far_weight = AFFINE ? 1.0f - weight : 1.0f;
      float sum = weight * near_den[half] + far_weight * far_den[half];
      row.near = sum == 0.0f ? 0.0f : 1.0f / sum;
      row.far = row.near;
#else
      float far_weight = 1.0f;
      row.near = WINDOW > 0 ? 1.0f / near_den[half] : 0.0f;
      row.far = !NORMALIZED ? 1.0f : far_den[half] == 0.0f ? 0.0f : 1.0f / far_den[half];
#endif
      float near_scale = weight * row.near;
      float far_scale = far_weight * row.far;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; e++) {
          far[n][e] = far[n][e] * far_scale + near[n][e] * near_scale;
        }
      }
      int t = tile * C + warp() * 16 + group() + half * 8;
      if (place() == 0 && t < T) {
        saved[t] = row;
      }
    }
    store_rows(y, far, 1.0f, tile * C, T);
  }
}
