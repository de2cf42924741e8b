"""Changes: one module per subject, one public function per change."""
