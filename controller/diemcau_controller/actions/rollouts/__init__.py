"""Rollouts: a version on its way to the fleet (đợt cập nhật)."""
