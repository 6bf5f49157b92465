<?php echo 'client 1 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
