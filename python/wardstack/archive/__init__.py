"""DICOM clients of the archive: what a modality and an auditor would see of it.

Everything here speaks to the archive only as a device does: DICOM over mutual
TLS and DICOMweb over HTTPS, both at the floating address. Nothing in this
package knows how the archive is built.
"""
