"""Layers to measure."""

from typing import Any

# (name, N, C, H, W, F, kh, kw, stride, padding, dilation, groups)
LAYERS = [
    ("notebook", 2, 5, 10, 11, 4, 2, 3, 1, 0, 1, 1),
    ("article_5x5", 10, 3, 32, 32, 1, 5, 5, 1, 2, 1, 1),
    ("lenet1", 64, 1, 28, 28, 6, 5, 5, 1, 2, 1, 1),
    ("cifar_16", 32, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1),
    ("cifar_64", 32, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1),
    ("r50_stem", 4, 3, 224, 224, 64, 7, 7, 2, 3, 1, 1),
    ("r50_3x3_56", 4, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1),
    ("r50_1x1_56", 4, 64, 56, 56, 256, 1, 1, 1, 0, 1, 1),
    ("r50_3x3_28", 4, 128, 28, 28, 128, 3, 3, 1, 1, 1, 1),
    ("r50_3x3_14", 4, 256, 14, 14, 256, 3, 3, 1, 1, 1, 1),
    ("r50_3x3_7", 4, 512, 7, 7, 512, 3, 3, 1, 1, 1, 1),
    ("r50_3x3_s2", 4, 128, 56, 56, 128, 3, 3, 2, 1, 1, 1),
    ("vgg_112", 2, 64, 112, 112, 128, 3, 3, 1, 1, 1, 1),
    ("alexnet_11s4", 4, 3, 224, 224, 64, 11, 11, 4, 2, 1, 1),
    ("dilated_2", 4, 64, 56, 56, 64, 3, 3, 1, 2, 2, 1),
    ("depthwise_3", 4, 144, 56, 56, 144, 3, 3, 1, 1, 1, 144),
    ("depthwise_31", 2, 64, 28, 28, 64, 31, 31, 1, 15, 1, 64),
    ("grouped_32", 4, 128, 28, 28, 128, 3, 3, 1, 1, 1, 32),
]

# What those leave out: (name, shape of x, shape of w, what is not as usual).
BEYOND: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    # one axis: WaveNet, wav2vec 2.0, Whisper, TextCNN, Conformer
    ("wavenet_causal", (4, 64, 4000), (128, 64, 2), {"dilation": 64, "padding": ((64, 0),)}),
    ("wav2vec_stem", (2, 1, 16000), (512, 1, 10), {"stride": 5}),
    ("whisper_stem", (2, 80, 3000), (384, 80, 3), {"padding": 1}),
    ("text_5", (32, 128, 50), (100, 128, 5), {}),
    ("conformer_depthwise", (4, 256, 400), (256, 1, 31), {"padding": 15, "groups": 256}),
    # three axes: C3D, R3D, a U-Net for volumes
    ("c3d", (1, 64, 8, 28, 28), (64, 64, 3, 3, 3), {"padding": 1}),
    (
        "r3d_stem",
        (1, 3, 8, 112, 112),
        (64, 3, 3, 7, 7),
        {"stride": (1, 2, 2), "padding": (1, 3, 3)},
    ),
    ("unet_3d", (1, 16, 32, 32, 32), (16, 16, 3, 3, 3), {"padding": 1}),
    # transposed: U-Net, DCGAN
    ("unet_up", (2, 128, 28, 28), (128, 64, 2, 2), {"stride": 2, "transposed": True}),
    ("dcgan_up", (8, 256, 8, 8), (256, 128, 4, 4), {"stride": 2, "padding": 1, "transposed": True}),
    # channels apart, or together only: MobileNet, EfficientNet, ConvNeXt, ShuffleNet, ResNeXt
    (
        "mobilenet_dw_s2",
        (4, 64, 112, 112),
        (64, 1, 3, 3),
        {"stride": 2, "padding": 1, "groups": 64},
    ),
    ("mobilenet_1x1", (4, 192, 28, 28), (64, 192, 1, 1), {}),
    ("efficientnet_dw5", (4, 240, 28, 28), (240, 1, 5, 5), {"padding": 2, "groups": 240}),
    ("convnext_dw7", (4, 96, 56, 56), (96, 1, 7, 7), {"padding": 3, "groups": 96}),
    ("shufflenet_1x1", (4, 240, 28, 28), (240, 80, 1, 1), {"groups": 3}),
    ("resnext_14", (4, 512, 14, 14), (512, 16, 3, 3), {"padding": 1, "groups": 32}),
    # a single image: inference
    ("one_r50_56", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    ("one_r50_7", (1, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}),
    ("one_filter_9x9", (1, 1, 480, 640), (1, 1, 9, 9), {"padding": 4}),
    # odd sides, oblong kernels, few results, windows that do not overlap
    ("odd_sides", (3, 37, 53, 47), (41, 37, 3, 3), {"padding": 1}),
    ("inception_1x7", (4, 128, 17, 17), (128, 128, 1, 7), {"padding": (0, 3)}),
    ("to_rgb", (2, 64, 96, 96), (3, 64, 3, 3), {"padding": 1}),
    ("vit_patches", (4, 3, 224, 224), (384, 3, 16, 16), {"stride": 16}),
]
