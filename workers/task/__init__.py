"""What every task does, whichever its role: intake, key lanes, watermark, pending outputs, counters, health. Pure."""
