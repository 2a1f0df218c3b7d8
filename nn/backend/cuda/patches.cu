// im2col and its transpose, for CUDA. nn/backend/cpu/im2col.py explains the arrays.
//
//     x        (N, x_height, x_width, channels)
//     patches  (N * height * width, kernel_height * kernel_width * channels)
//
// Neighbouring threads take neighbouring elements, so that the reads and writes of a warp lie side by side in memory.
// Divisions take a GPU longer than anything else here. So a thread of im2col, which must find out where its
// element lies, goes on to the elements below it, whose places it knows from there.


// patches[n, oh, ow, i, r] = x[n, (top + oh) * stride_height - padding_height + i,
//                                 (ow * stride_width - padding_width) * channels + r],  0 outside the image.
// r stands for j and c, r = j * channels + c: a row of a patch is a piece of a row of the image.
// A thread computes, for one n, oh, ow and r, the elements of `patches` for every i.
extern "C" __global__ void im2col(
    INDEX size, const REAL *x, INDEX x_height, INDEX x_width, INDEX channels, INDEX kernel_height, INDEX kernel_width,
    INDEX stride_height, INDEX stride_width, INDEX padding_height, INDEX padding_width, INDEX top, INDEX height,
    INDEX width, REAL *patches)
{
    INDEX patch_row = kernel_width * channels, x_row = x_width * channels;
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX patch = index / patch_row, r = index % patch_row;
        INDEX ow = patch % width, oh = patch / width % height, n = patch / width / height;

        INDEX place = (ow * stride_width - padding_width) * channels + r;  // in its row of x
        INDEX first = (top + oh) * stride_height - padding_height;
        for (INDEX i = 0; i < kernel_height; i++) {
            INDEX h = first + i;
            bool inside = h >= 0 && h < x_height && place >= 0 && place < x_row;
            patches[(patch * kernel_height + i) * patch_row + r] =
                inside ? x[(n * x_height + h) * x_row + place] : (REAL)0;
        }
    }
}


// Along one axis, window o holds the places o * stride to o * stride + kernel - 1 of the padded image. These are the
// first window that holds a place and, of `count` windows, the last.
static __device__ INDEX first_window(INDEX place, INDEX kernel, INDEX stride)
{
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}

static __device__ INDEX last_window(INDEX place, INDEX stride, INDEX count)
{
    return place / stride < count ? place / stride : count - 1;
}


// x[n, h, w, c] += sum over the positions (oh, ow) whose patch holds the pixel (h, w), as its element (i, j), of
//                  patches[n, oh, ow, i, j, c].
// A thread computes one element of x. It gathers what it is owed from all patches; were a thread to hand out one patch,
// threads would add to the same pixel at once.
extern "C" __global__ void col2im(
    INDEX size, const REAL *patches, INDEX kernel_height, INDEX kernel_width, INDEX stride_height,
    INDEX stride_width, INDEX padding_height, INDEX padding_width, INDEX height, INDEX width,
    INDEX x_height, INDEX x_width, INDEX channels, REAL *x)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX w = index / channels % x_width + padding_width;  // in the padded image
        INDEX h = index / channels / x_width % x_height + padding_height;
        INDEX n = index / channels / x_width / x_height;

        INDEX last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (INDEX oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (INDEX ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++) {
                INDEX i = h - oh * stride_height, j = w - ow * stride_width;
                INDEX patch = (n * height + oh) * width + ow;
                sum += patches[((patch * kernel_height + i) * kernel_width + j) * channels + c];
            }
        x[index] += sum;
    }
}
