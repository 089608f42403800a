/**
 * How an image that virDomainSave has completed begins; while it is being written it begins otherwise.
 *
 * Source: libvirt, qemu_saveimage.h, QEMU_SAVE_MAGIC.
 */
export const COMPLETE_IMAGE_MAGIC = "LibvirtQemudSave";
