"""The components that bring a script of their own, of all tabs.

A page tells the browser which there are when it is served, and never again: what a tab loads later must be known then.
"""

from __future__ import annotations

from meaviz.components.browser_memory import BrowserMemory
from meaviz.components.candidate_list import CandidateList
from meaviz.components.choice_list import ChoiceList
from meaviz.components.connection import Connection
from meaviz.components.copy_button import CopyButton
from meaviz.components.file_drop import FileDrop
from meaviz.components.file_list import FileList
from meaviz.components.gallery import Gallery
from meaviz.components.keyboard import Keyboard
from meaviz.components.path_field import PathField
from meaviz.components.splitter import Splitter
from meaviz.components.tour import Tour
from meaviz.components.viewer.structure_viewer import StructureViewer

SCRIPTED = (
    BrowserMemory,
    CandidateList,
    ChoiceList,
    Connection,
    CopyButton,
    FileDrop,
    FileList,
    Gallery,
    Keyboard,
    PathField,
    Splitter,
    StructureViewer,
    Tour,
)
