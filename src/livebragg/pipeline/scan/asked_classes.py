"""What the user asks of the classes while a scan is analysed: it changes the analysis, not only what is shown."""

from __future__ import annotations

from livebragg.classify import LockedPattern
from livebragg.errors import ClassRequestError
from livebragg.pipeline.scan.state import ScanState


class AskedClasses(ScanState):
    """A scan whose crystalline classes can be locked and divided, and their number given.

    Nothing is computed here: the next refresh shows what was asked for, also if no more positions come. The same
    requests after the same positions give the same classes.
    """

    def reset(self) -> None:
        """Forget the scan, and what was asked."""
        super().reset()
        self._refreshed_at = 0
        """Positions at the last refresh; negative where the next one has to look at all of them again."""

    @property
    def n_classes_asked(self) -> int:
        """Crystalline classes to end with; 0: as many as the data show."""
        return self._nmf.n_classes

    def ask_for_classes(self, n_classes: int) -> None:
        """End with so many crystalline classes; 0: as many as the data show.

        Raises
        ------
        ClassRequestError
            It is no number of classes, or above the configured limit.
        """
        most = self._config.classify.max_classes
        if not 0 <= n_classes <= most:
            raise ClassRequestError(
                f"{n_classes} classes cannot be asked for: it must be 0 (as many as the data show) to {most} "
                "(classify.max_classes)"
            )
        self._nmf.n_classes, self._refreshed_at = n_classes, -1

    def is_crystal(self, class_id: int) -> bool:
        """Whether a class has a component; one that was joined with another may have lost it since."""
        return self._classes.labeler.component_of(class_id) is not None

    def lock_class(self, class_id: int) -> list[int]:
        """Keep a class as it is; returns it and the variants that it fades into, which share its pattern.

        Raises
        ------
        ClassRequestError
            The class is not crystalline, or is locked already.
        """
        component = self._component_of(class_id)
        if component in self._nmf.locked:
            raise ClassRequestError(f"class {class_id} is locked already")
        self._nmf.lock(component, self._tracker.snapshot())
        return self._classes.labeler.classes_of(component)

    def unlock_class(self, class_id: int) -> list[int]:
        """Let a class be learned again; returns it and its variants.

        Raises
        ------
        ClassRequestError
            The class is not crystalline, or not locked.
        """
        component = self._component_of(class_id)
        if component not in self._nmf.locked:
            raise ClassRequestError(f"class {class_id} is not locked")
        self._nmf.unlock(component)
        return self._classes.labeler.classes_of(component)

    def divide_class(self, class_id: int) -> int:
        """Divide a class in two by its positions; returns the id of the new one.

        Raises
        ------
        ClassRequestError
            The class is not crystalline, locked, fades into a variant, or its positions cannot be divided.
        """
        component = self._component_of(class_id)
        labeler = self._classes.labeler
        if component in self._nmf.locked:
            raise ClassRequestError(f"class {class_id} is locked: unlock it before dividing it")
        if len(labeler.classes_of(component)) > 1:
            raise ClassRequestError(f"class {class_id} is divided already, into itself and its variant")
        most = self._config.classify.max_classes
        if self._nmf.n_components >= most:
            raise ClassRequestError(f"there are {most} classes, as many as there may be (classify.max_classes)")
        try:
            new = self._nmf.divide(self._features.view, component)
        except ClassRequestError as error:
            raise ClassRequestError(f"class {class_id} cannot be divided: {error}") from None
        self._refreshed_at = -1
        return labeler.adopt(new)

    @property
    def locked_patterns(self) -> dict[int, LockedPattern]:
        """Patterns of the locked classes, by id, without the variants that share them."""
        labeler = self._classes.labeler
        return {labeler.classes_of(number)[0]: pattern for number, pattern in self._nmf.locked.items()}

    @property
    def locked_classes(self) -> set[int]:
        """Ids of the locked classes and of their variants."""
        return {number for component in self._nmf.locked for number in self._classes.labeler.classes_of(component)}

    @property
    def divided_classes(self) -> list[int]:
        """Classes that were divided on request."""
        labeler = self._classes.labeler
        return [labeler.classes_of(number)[0] for number in self._nmf.divided]

    def know_class(self, class_id: int, pattern: LockedPattern) -> None:
        """Begin with a locked class that was found before; to be called before positions are added."""
        self._classes.labeler.adopt(self._nmf.add_locked(pattern), class_id)

    def _component_of(self, class_id: int) -> int:
        component = self._classes.labeler.component_of(class_id)
        if component is None:
            raise ClassRequestError(f"class {class_id} is not crystalline: only crystals are locked and divided")
        return component
