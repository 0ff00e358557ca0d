"""The pages, one file each; `page_table` finds them by their `PAGES`."""
