"""Cars, cats, dogs and vernier callipers: RENDERED images, not photographs, at any size and in any number.

Every image is drawn from a seed: an object of a random shape, colour and pose before a random background, with
shadow, uneven light, now and then something in front of it, blur and noise. So there is a set of colour images that
needs no download, and whose objects' boxes are known exactly. What a network learns here it has learnt about drawings:
it says little about photographs.

drawing.py      outlines, and drawings made of them
painting.py     from drawings to pixels
car.py          with car_side.py: the objects, one file or two for each
cat.py
dog.py          with dog_heads.py
calliper.py
fur.py          what cats and dogs share
backgrounds.py  what is behind
scene.py        one image
sets.py         many images
"""

from nn.data.rendered.scene import CLASS_NAMES, render
from nn.data.rendered.sets import objects, objects_with_boxes

__all__ = ["CLASS_NAMES", "objects", "objects_with_boxes", "render"]
