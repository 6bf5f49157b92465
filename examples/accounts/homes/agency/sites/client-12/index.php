<?php echo 'client 12 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
