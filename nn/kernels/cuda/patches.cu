// im2col and its transpose, for CUDA. nn/kernels/patches.py explains the arrays.
//
//     x        (N, x_height, x_width, channels)
//     patches  (N * height * width, kernel_height * kernel_width * channels)
//
// Neighbouring threads take neighbouring elements, so that the reads and writes of a warp lie side by side in memory.
// All indices have 64 bits: the patches of a batch may be more than 2^31 elements.


// patches[n, oh, ow, i, j, c] = x[n, (top + oh) * stride_height - padding_height + i,
//                                    ow * stride_width - padding_width + j, c],  0 outside the picture.
// A thread computes one element of `patches`.
extern "C" __global__ void im2col(
    long long size, const REAL *x, long long x_height, long long x_width, long long channels,
    long long kernel_height, long long kernel_width, long long stride_height, long long stride_width,
    long long padding_height, long long padding_width, long long top, long long height, long long width,
    REAL *patches)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long rest = index;
        long long c = rest % channels;
        rest /= channels;
        long long j = rest % kernel_width;
        rest /= kernel_width;
        long long i = rest % kernel_height;
        rest /= kernel_height;
        long long ow = rest % width;
        rest /= width;
        long long oh = rest % height;
        long long n = rest / height;

        long long h = (top + oh) * stride_height - padding_height + i;
        long long w = ow * stride_width - padding_width + j;
        bool inside = h >= 0 && h < x_height && w >= 0 && w < x_width;
        patches[index] = inside ? x[((n * x_height + h) * x_width + w) * channels + c] : (REAL)0;
    }
}


// Along one axis, window o holds the places o * stride to o * stride + kernel - 1 of the padded picture. These are the
// first window that holds a place and, of `count` windows, the last.
static __device__ long long first_window(long long place, long long kernel, long long stride)
{
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}

static __device__ long long last_window(long long place, long long stride, long long count)
{
    return place / stride < count ? place / stride : count - 1;
}


// x[n, h, w, c] += sum over the positions (oh, ow) whose patch holds the pixel (h, w), as its element (i, j), of
//                  patches[n, oh, ow, i, j, c].
// A thread computes one element of x. It gathers what it is owed from all patches; were a thread to hand out one patch,
// threads would add to the same pixel at once.
extern "C" __global__ void col2im(
    long long size, const REAL *patches, long long kernel_height, long long kernel_width, long long stride_height,
    long long stride_width, long long padding_height, long long padding_width, long long height, long long width,
    long long x_height, long long x_width, long long channels, REAL *x)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long w = index / channels % x_width + padding_width;  // in the padded picture
        long long h = index / channels / x_width % x_height + padding_height;
        long long n = index / channels / x_width / x_height;

        long long last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (long long oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (long long ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++) {
                long long i = h - oh * stride_height, j = w - ow * stride_width;
                long long patch = (n * height + oh) * width + ow;
                sum += patches[((patch * kernel_height + i) * kernel_width + j) * channels + c];
            }
        x[index] += sum;
    }
}
